package database_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestAmongFindsExactlyTheList(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		odd := []string{`plain`, `with "quotes"`, `back\slash`, `{braces},comma`, `NULL`, ` spaces `, "line\nbreak", "ünï<&>", ``}
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			if err := db.Conn(ctx).Exec(`CREATE TABLE things (id text NOT NULL PRIMARY KEY)`).Error; err != nil {
				return err
			}
			for _, id := range append(odd, "other") {
				if err := db.Conn(ctx).Exec(`INSERT INTO things (id) VALUES (?)`, id).Error; err != nil {
					return err
				}
			}
			return nil
		}))
		for _, wanted := range [][]string{odd, odd[:1], {"none"}, {}, nil} {
			var found []string
			require.NoError(t, db.Conn(t.Context()).Raw(`SELECT id FROM things WHERE `+db.Among("id"), db.List(wanted)).Scan(&found).Error)
			if len(wanted) > 0 && wanted[0] == "none" {
				wanted = nil
			}
			require.ElementsMatch(t, wanted, found)
		}
	})
}
