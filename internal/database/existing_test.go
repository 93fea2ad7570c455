package database_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Who only looks makes nothing, and is told what is missing and where.
func TestLookingBeginsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			here, err := os.Getwd()
			require.NoError(t, err)
			full := filepath.Join(t.TempDir(), "data")
			dir, err := filepath.Rel(here, full)
			require.NoError(t, err)
			cfg := database.Config{Dir: dir, Existing: true}
			missing := "no data in " + full + ": there is no such folder"
			if kind == "postgres" {
				cfg.URL = testenv.PostgresURL(t)
				missing = ": there is no schema orders"
			}
			look := func() error {
				c, err := database.Open(t.Context(), cfg)
				if err != nil {
					return err
				}
				_, err = c.Module(t.Context(), "orders", 1)
				return errors.Join(err, c.Close())
			}
			for range 2 { // the first look made nothing
				err := look()
				require.ErrorIs(t, err, database.ErrNoData)
				require.ErrorContains(t, err, missing)
				require.NoDirExists(t, full)
			}
			begin := func(module string) {
				begins := cfg
				begins.Existing = false
				c, err := database.Open(t.Context(), begins)
				require.NoError(t, err)
				_, err = c.Module(t.Context(), module, 1)
				require.NoError(t, err)
				require.NoError(t, c.Close())
			}
			begin("carts")
			require.ErrorIs(t, look(), database.ErrNoData)
			if kind == "sqlite" {
				require.ErrorContains(t, look(), "no data in "+full+": there is no orders.db")
				require.NoFileExists(t, filepath.Join(full, "orders.db"))
			}
			begin("orders")
			require.NoError(t, look())
		})
	}
}
