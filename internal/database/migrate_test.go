package database_test

import (
	"errors"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func set(files map[string]string) database.Migrations {
	m := fstest.MapFS{}
	for name, up := range files {
		m[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	}
	return database.Migrations{Name: "thing", FS: m}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		older := set(map[string]string{"00001_init.sql": "CREATE TABLE things (id text PRIMARY KEY);"})
		newer := set(map[string]string{
			"00001_init.sql":        "CREATE TABLE things (id text PRIMARY KEY);",
			"00002_pg.postgres.sql": "ALTER TABLE things ADD COLUMN made_by text DEFAULT 'postgres';",
			"00002_li.sqlite.sql":   "ALTER TABLE things ADD COLUMN made_by text DEFAULT 'sqlite';",
		})
		status, err := db.MigrationStatus(ctx, older)
		require.NoError(t, err)
		require.Equal(t, []database.SetStatus{{Set: "thing", Known: 1, Pending: []string{"00001_init.sql"}}}, status)

		require.NoError(t, db.Migrate(ctx, older, notes))
		require.NoError(t, db.Migrate(ctx, newer, notes))
		require.NoError(t, db.Migrate(ctx, older, notes), "an older binary tolerates a newer database")

		status, err = db.MigrationStatus(ctx, older, notes)
		require.NoError(t, err)
		require.Equal(t, []database.SetStatus{{Set: "thing", Version: 2, Known: 1}, {Set: "notes", Version: 1, Known: 1}}, status)
		var by string
		require.NoError(t, db.Conn(ctx).Raw("SELECT count(made_by) FROM things").Scan(&by).Error)

		wrong := set(map[string]string{"00003_wrong.sql": "CREATE TABLE half (id text);\nCREATE TABLE things (id text);"})
		require.Error(t, db.Migrate(ctx, wrong))
		require.Error(t, db.Conn(ctx).Raw("SELECT count(*) FROM half").Scan(&by).Error, "a failed file leaves nothing")
		require.ErrorContains(t, db.Migrate(ctx, database.Migrations{Name: "a b"}), "is no name of a set")
	})
}

// Several processes start at the same time on the same data.
func TestOpenAndMigrateAtOnce(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, cfg database.Config) {
		t.Helper()
		errs := make([]error, 6)
		var wg sync.WaitGroup
		for i := range errs {
			cluster := testenv.Open(t, cfg)
			wg.Go(func() {
				for _, module := range []string{"orders", "payments"} {
					db, err := cluster.Module(t.Context(), module, 2)
					if err == nil {
						err = db.Migrate(t.Context(), notes)
					}
					errs[i] = errors.Join(errs[i], err)
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, database.Config{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, database.Config{URL: testenv.PostgresURL(t)})
	})
	t.Run("single role", func(t *testing.T) {
		t.Parallel()
		run(t, database.Config{URL: testenv.PostgresURL(t), SingleRole: true})
	})
}
