package database_test

import (
	"context"
	"database/sql"
	"errors"
	"hash/fnv"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
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

// Who has nothing to migrate does not wait for who migrates; who has, does.
func TestNothingToMigrateTakesNoLock(t *testing.T) {
	t.Parallel()
	url := testenv.PostgresURL(t)
	db, err := testenv.Open(t, database.Config{URL: url}).Module(t.Context(), "orders", 2)
	require.NoError(t, err)
	older := map[string]string{"00001_init.sql": "CREATE TABLE things (id text PRIMARY KEY);"}
	require.NoError(t, db.Migrate(t.Context(), set(older), notes))

	other, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = other.Close(context.WithoutCancel(t.Context())) }()
	key := fnv.New64a()
	_, _ = key.Write([]byte("banyan migrate orders"))
	_, err = other.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(key.Sum64())) //nolint:gosec // any 64 bits will do
	require.NoError(t, err)
	patient, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	require.NoError(t, db.Migrate(patient, set(older), notes))

	newer := maps.Clone(older)
	newer["00002_more.sql"] = "ALTER TABLE things ADD COLUMN more text;"
	for wait := time.Second; ; wait *= 2 { // until there is time to ask for the lock
		limited, cancel := context.WithTimeout(t.Context(), wait)
		err = db.Migrate(limited, set(newer), notes)
		cancel()
		require.Error(t, err, "it went on beside the other")
		if strings.Contains(err.Error(), "another process migrates") {
			break
		}
		require.Less(t, wait, patience, err)
	}
	require.NoError(t, other.Close(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), set(newer), notes))
	var n int
	require.NoError(t, db.Conn(t.Context()).Raw("SELECT count(more) FROM things").Scan(&n).Error)
}

// So it is on files: the lock there is a file of its own.
func TestNothingToMigrateTakesNoFileLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := testenv.Open(t, database.Config{Dir: dir}).Module(t.Context(), "orders", 1)
	require.NoError(t, err)
	older := map[string]string{"00001_init.sql": "CREATE TABLE things (id text PRIMARY KEY);"}
	require.NoError(t, db.Migrate(t.Context(), set(older), notes))

	lock, err := sql.Open("sqlite", filepath.Join(dir, "orders.db.migrate"))
	require.NoError(t, err)
	defer func() { _ = lock.Close() }()
	other, err := lock.Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)
	patient, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	require.NoError(t, db.Migrate(patient, set(older), notes))

	newer := maps.Clone(older)
	newer["00002_more.sql"] = "ALTER TABLE things ADD COLUMN more text;"
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.Error(t, db.Migrate(limited, set(newer), notes), "it went on beside the other")
	require.NoError(t, other.Close())
	require.NoError(t, lock.Close())
	require.NoError(t, db.Migrate(t.Context(), set(newer), notes))
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
