package database_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestLaterWritesAreWritten(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.Later(ctx).Create(&note{ID: "a", N: 1}).Error)
			require.NoError(t, db.Later(ctx).Create(&note{ID: "b", N: 2}).Error)
			var seen []note
			require.NoError(t, db.Conn(ctx).Order("id").Find(&seen).Error)
			require.Len(t, seen, 2, "what was written before is read")
			require.NoError(t, db.Later(ctx).Exec("UPDATE notes SET n = n + 1 WHERE id = ?", "a").Error)
			return db.Later(ctx).Exec("UPDATE notes SET n = n * 10 WHERE id = ?", "a").Error
		}))
		var a note
		require.NoError(t, db.Conn(t.Context()).Where("id = ?", "a").Take(&a).Error)
		require.EqualValues(t, 20, a.N, "in their order")

		gone := errors.New("another idea")
		require.ErrorIs(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.Later(ctx).Create(&note{ID: "c"}).Error)
			return gone
		}), gone)
		require.EqualValues(t, 2, count(t, db))
		require.NoError(t, db.Atomic(t.Context(), func(context.Context) error { return nil }), "nothing to write")
		require.ErrorIs(t, db.Later(t.Context()).Create(&note{ID: "d"}).Error, database.ErrOutsideAtomic)
	})
}

// A write that fails late undoes its transaction, and Atomic says why, however
// far it had come; a transaction after it is none the worse.
func TestLaterWritesFail(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		put(t, db, note{ID: "a"})
		for name, then := range map[string]func(ctx context.Context) error{
			"at the commit": func(context.Context) error { return nil },
			"at a write":    func(ctx context.Context) error { return db.Conn(ctx).Create(&note{ID: "c"}).Error },
			"at a read": func(ctx context.Context) error {
				var n int64
				if err := db.Conn(ctx).Model(&note{}).Count(&n).Error; err != nil {
					return errors.New("hidden")
				}
				return nil
			},
			"swallowed": func(ctx context.Context) error {
				_ = db.Conn(ctx).Create(&note{ID: "c"}).Error
				return nil
			},
		} {
			told := false
			err := db.Atomic(t.Context(), func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { told = true })
				if err := db.Later(ctx).Create(&note{ID: "b"}).Error; err != nil {
					return err
				}
				if err := db.Later(ctx).Create(&note{ID: "a"}).Error; err != nil { // is there
					return err
				}
				return then(ctx)
			})
			require.ErrorIs(t, err, gorm.ErrDuplicatedKey, name)
			require.NotErrorIs(t, err, database.ErrUnknownOutcome, name)
			require.False(t, told, name)
			require.EqualValues(t, 1, count(t, db), name)
		}
	})
}

// A statement that another one took down with it must not be blamed for it.
func TestOnlyTheStatementThatFailedIsBlamed(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)("test")
	withNotes(t, db)
	put(t, db, note{ID: "a"})
	require.ErrorIs(t, db.Atomic(t.Context(), func(ctx context.Context) error {
		require.NoError(t, db.Later(ctx).Create(&note{ID: "a"}).Error)
		err := db.Conn(ctx).Create(&note{ID: "b"}).Error
		require.ErrorContains(t, err, "a statement before this one")
		require.NotErrorIs(t, err, gorm.ErrDuplicatedKey)
		return err
	}), gorm.ErrDuplicatedKey)
}

// The first statement of a transaction is sent with its beginning; it reads the
// same as any other.
func TestFirstStatementReadsLikeOthers(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)("test")
	type all struct {
		Small   int
		Large   int64
		Real    float64
		Exact   string
		Truth   bool
		Words   string
		Unique  string
		Bytes   []byte
		Instant database.Time
		Nothing *string
		Absent  sql.NullInt64
	}
	const query = `SELECT 7::int AS small, 9007199254740993::bigint AS large, 1.5::float8 AS real, 12.340::numeric AS exact,
		true AS truth, 'a''b 🫖' AS words, '0190b0ae-0000-7000-8000-000000000001'::uuid AS unique, '\x00ff'::bytea AS bytes,
		'2026-01-02 03:04:05.678901+00'::timestamptz AS instant, NULL::text AS nothing, NULL::bigint AS absent
		FROM generate_series(1, 3)`
	var first, second []all
	require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
		require.NoError(t, db.Conn(ctx).Raw(query).Scan(&first).Error)
		return db.Conn(ctx).Raw(query).Scan(&second).Error
	}))
	require.Equal(t, second, first)
	require.Len(t, first, 3)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), first[0].Instant.Time)
	require.Equal(t, []byte{0, 255}, first[2].Bytes)
	for _, bad := range []string{"SELECT 1/0", "SELECT 1/(2-n) FROM generate_series(1, 2) AS n", "SELECT nothing"} {
		require.Error(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			var n int
			return db.Conn(ctx).Raw(bad).Scan(&n).Error
		}), bad)
	}
	require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
		rows, err := db.Conn(ctx).Raw("SELECT n FROM generate_series(1, 1000) AS n").Rows()
		require.NoError(t, err)
		require.True(t, rows.Next())
		require.NoError(t, rows.Close(), "left half read")
		var one int
		require.NoError(t, db.Conn(ctx).Raw("SELECT 1").Scan(&one).Error)
		require.Equal(t, 1, one)
		return nil
	}))
}

// A connection that is lost while late writes and the commit are on their way
// leaves an unknown outcome; one lost before does not.
func TestLostConnectionWithLaterWrites(t *testing.T) {
	t.Parallel()
	address := testenv.PostgresURL(t)
	db, err := testenv.Open(t, database.Config{URL: address}).Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	admin, err := sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	err = db.Atomic(t.Context(), func(ctx context.Context) error {
		var pid int
		require.NoError(t, db.Conn(ctx).Raw("SELECT pg_backend_pid()").Scan(&pid).Error)
		require.NoError(t, db.Later(ctx).Create(&note{ID: "a"}).Error)
		_, err := admin.ExecContext(t.Context(), "SELECT pg_terminate_backend($1, 10000)", pid)
		require.NoError(t, err)
		return nil
	})
	require.ErrorIs(t, err, fault.Unavailable)
	require.Zero(t, count(t, db))
	put(t, db, note{ID: "b"}) // the pool goes on
}

func put(t *testing.T, db *database.DB, n note) {
	t.Helper()
	require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return insert(ctx, db, n) }))
}
