package database_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// A statement that is kept prepared may be needed again while its rows are being
// read, after the table has changed, and after many others.
func TestStatementsAreUsedAgain(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		for _, id := range []string{"a", "b", "c"} {
			put(t, db, note{ID: id})
		}
		const all = "SELECT id FROM notes ORDER BY id"
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for range 2 { // the second time it is prepared
				rows, err := db.Conn(ctx).Raw(all).Rows()
				if db.Dialect() == database.Postgres {
					require.NoError(t, err)
					require.NoError(t, rows.Close()) // its protocol has one result at a time
					continue
				}
				require.NoError(t, err)
				require.True(t, rows.Next())
				var inner []string
				require.NoError(t, db.Conn(ctx).Raw(all).Scan(&inner).Error)
				require.Equal(t, []string{"a", "b", "c"}, inner)
				require.True(t, rows.Next(), "the outer one goes on")
				var id string
				require.NoError(t, rows.Scan(&id))
				require.Equal(t, "b", id)
				require.NoError(t, rows.Close())
			}
			for i := range 250 {
				var n int
				require.NoError(t, db.Conn(ctx).Raw(fmt.Sprintf("SELECT %d + count(*) FROM notes", i)).Scan(&n).Error)
				require.Equal(t, i+3, n)
			}
			return nil
		}))
		read := func() (rows []map[string]any) {
			require.NoError(t, db.Conn(t.Context()).Raw("SELECT * FROM notes WHERE id = ?", "a").Scan(&rows).Error)
			return rows
		}
		require.NotContains(t, read()[0], "added")
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("ALTER TABLE notes ADD COLUMN added integer NOT NULL DEFAULT 7").Error
		}))
		if db.Dialect() == database.SQLite {
			require.EqualValues(t, 7, read()[0]["added"])
		}
	})
}
