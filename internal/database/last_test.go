package database_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// The last statement goes with the commit: what it says is known, and so is
// whether the transaction happened.
func TestLastStatementCommits(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		for name, atomic := range map[string]func(context.Context, func(context.Context) error) error{
			"synced": db.Atomic, "unsynced": db.AtomicUnsynced,
		} {
			told := 0
			require.NoError(t, atomic(t.Context(), func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { told++ })
				require.NoError(t, db.Later(ctx).Create(&note{ID: name + " kept", N: 1}).Error)
				done := db.Last(ctx).Exec("UPDATE notes SET n = n + 1 WHERE id = ?", name+" kept")
				require.EqualValues(t, 1, done.RowsAffected)
				return done.Error
			}))
			require.NoError(t, atomic(t.Context(), func(ctx context.Context) error {
				var n []int64
				err := db.Last(ctx).Raw("INSERT INTO notes (id, text, n) VALUES (?, '', 7), (?, '', 8) RETURNING n", name+" c", name+" d").Scan(&n).Error
				require.Equal(t, []int64{7, 8}, n)
				return err
			}), "alone, and read")
			require.Equal(t, 1, told)
			var kept note
			require.NoError(t, db.Conn(t.Context()).Where("id = ?", name+" kept").Take(&kept).Error)
			require.EqualValues(t, 2, kept.N)
		}
		require.EqualValues(t, 6, count(t, db))
	})
}

func TestLastStatementFails(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		put(t, db, note{ID: "a"})
		told := false
		for name, last := range map[string]func(ctx context.Context) error{
			"the last": func(ctx context.Context) error { return db.Last(ctx).Create(&note{ID: "a"}).Error },
			"the last, hidden": func(ctx context.Context) error {
				_ = db.Last(ctx).Create(&note{ID: "a"}).Error
				return nil
			},
			"the last, read": func(ctx context.Context) error {
				var ids []string
				return db.Last(ctx).Raw("INSERT INTO notes (id, text, n) VALUES ('a', '', 1) RETURNING id").Scan(&ids).Error
			},
			"one before": func(ctx context.Context) error {
				if err := db.Later(ctx).Create(&note{ID: "a"}).Error; err != nil {
					return err
				}
				return db.Last(ctx).Exec("UPDATE notes SET n = 5").Error
			},
		} {
			err := db.Atomic(t.Context(), func(ctx context.Context) error {
				db.AfterCommit(ctx, func() { told = true })
				require.NoError(t, db.Later(ctx).Create(&note{ID: "b"}).Error)
				return last(ctx)
			})
			require.ErrorIs(t, err, gorm.ErrDuplicatedKey, name)
			require.EqualValues(t, 1, count(t, db), name)
		}
		require.False(t, told)
	})
}

func TestNothingFollowsTheLastStatement(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		err := db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.Last(ctx).Create(&note{ID: "a"}).Error)
			return db.Conn(ctx).Create(&note{ID: "b"}).Error
		})
		require.ErrorContains(t, err, "follows the one that was sent as the last")
		put(t, db, note{ID: "c"})
		other := errors.New("too late")
		require.ErrorIs(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.Last(ctx).Create(&note{ID: "d"}).Error)
			return other
		}), other)
	})
}

// Only the transaction that was to be unsynced is, however it ends.
func TestUnsyncedIsForOneTransaction(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		question, on, off := "PRAGMA synchronous", "2", "1"
		if db.Dialect() == database.Postgres {
			question, on, off = "SHOW synchronous_commit", "on", "off"
		}
		state := func(ctx context.Context) (is string) {
			require.NoError(t, db.Conn(ctx).Raw(question).Scan(&is).Error)
			return is
		}
		undone := errors.New("undone")
		for range 3 {
			for _, end := range []error{nil, undone} {
				require.ErrorIs(t, db.AtomicUnsynced(t.Context(), func(ctx context.Context) error {
					require.Equal(t, off, state(ctx))
					require.NoError(t, db.AtomicUnsynced(ctx, func(ctx context.Context) error {
						require.Equal(t, off, state(ctx))
						return nil
					}))
					return end
				}), end)
				require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
					require.Equal(t, on, state(ctx))
					return db.AtomicUnsynced(ctx, func(ctx context.Context) error {
						require.Equal(t, on, state(ctx), "part of one that waits")
						return nil
					})
				}))
			}
		}
	})
}
