package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// A full disk refuses a write, whenever it shows, and loses nothing: nobody is left to
// guess, and the write goes through once there is room. A file of SQLite is really full
// here; PostgreSQL says what it says when its disk is (53100, disk_full).
func TestFullDiskIsUnavailable(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		put(t, db, note{ID: "a"})
		exec := func(statement string) {
			t.Helper()
			require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return db.Conn(ctx).Exec(statement).Error }))
		}
		fill, free, atCommit := "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "" // of 1 it makes as many as there are
		says := "the disk of the database is full, try again later"
		if db.Dialect() == database.Postgres {
			exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
			fill = "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON notes DEFERRABLE FOR EACH ROW EXECUTE FUNCTION refuse()"
			free, atCommit = "DROP TRIGGER full_disk ON notes", "SET CONSTRAINTS ALL DEFERRED"
			says = "the database cannot serve at present, try again later"
		}
		kept := count(t, db)
		for name, write := range map[string]func(ctx context.Context, n note) error{
			"at once": func(ctx context.Context, n note) error { return insert(ctx, db, n) },
			"later":   func(ctx context.Context, n note) error { return db.Later(ctx).Create(&n).Error },
			"last":    func(ctx context.Context, n note) error { return db.Last(ctx).Create(&n).Error },
			"hidden":  func(ctx context.Context, n note) error { _ = insert(ctx, db, n); return nil },
			"at the commit": func(ctx context.Context, n note) error {
				if atCommit == "" { // SQLite takes the room when it writes
					return insert(ctx, db, n)
				}
				return errors.Join(db.Conn(ctx).Exec(atCommit).Error, insert(ctx, db, n))
			},
		} {
			exec(fill)
			runs, large := 0, note{ID: name, Text: strings.Repeat("x", 1<<20)}
			again := func(ctx context.Context) error {
				runs++
				return write(ctx, large)
			}
			err := db.Atomic(t.Context(), again)
			require.ErrorIs(t, err, fault.Unavailable, name)
			require.Equal(t, says, fault.From(err).Message, name)
			require.NotErrorIs(t, err, database.ErrUnknownOutcome, name)
			require.False(t, database.Disconnected(err), name)
			require.Equal(t, 1, runs, name)
			require.Equal(t, kept, count(t, db), name)

			exec(free)
			require.NoError(t, db.Atomic(t.Context(), again), name)
			kept++
			require.Equal(t, kept, count(t, db), name)
		}
	})
}
