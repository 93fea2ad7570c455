package database_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
)

type note struct {
	ID   string `gorm:"primaryKey"`
	Text string
	N    int64
	At   database.Time
	Gone *database.Time
}

var notes = database.Migrations{Name: "notes", FS: fstest.MapFS{
	"00001_init.sql": {Data: []byte(`-- +goose Up
CREATE TABLE notes (id text PRIMARY KEY, text text NOT NULL, n bigint NOT NULL CHECK (n >= 0), at timestamptz, gone timestamptz);
-- +goose Down
DROP TABLE notes;
`)},
}}

func withNotes(t *testing.T, db *database.DB) *database.DB {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), notes))
	return db
}

func insert(ctx context.Context, db *database.DB, n note) error {
	return db.Conn(ctx).Create(&n).Error
}

func count(t *testing.T, db *database.DB) int64 {
	t.Helper()
	var n int64
	require.NoError(t, db.Conn(t.Context()).Model(&note{}).Count(&n).Error)
	return n
}

func TestAtomicKeepsAllOrNothing(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		ctx := t.Context()
		wrong := errors.New("wrong")
		require.ErrorIs(t, db.Atomic(ctx, func(ctx context.Context) error {
			require.NoError(t, insert(ctx, db, note{ID: "a"}))
			return wrong
		}), wrong)
		require.Zero(t, count(t, db))

		require.PanicsWithValue(t, "boom", func() {
			_ = db.Atomic(ctx, func(ctx context.Context) error {
				_ = insert(ctx, db, note{ID: "a"})
				panic("boom")
			})
		})
		require.Zero(t, count(t, db))

		canceled, cancel := context.WithCancel(ctx)
		require.ErrorIs(t, db.Atomic(canceled, func(ctx context.Context) error {
			require.NoError(t, insert(ctx, db, note{ID: "a"}))
			cancel()
			return nil
		}), context.Canceled)
		require.Zero(t, count(t, db))

		require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) }))
		require.EqualValues(t, 1, count(t, db))
	})
}

func TestAtomicJoins(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		var after []string
		wrong := errors.New("wrong")
		run := func(result error) error {
			return db.Atomic(t.Context(), func(ctx context.Context) error {
				require.NoError(t, insert(ctx, db, note{ID: "outer"}))
				require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error {
					db.AfterCommit(ctx, func() { after = append(after, "inner") })
					return insert(ctx, db, note{ID: "inner"})
				}))
				db.AfterCommit(ctx, func() { after = append(after, "outer") })
				var seen int64
				require.NoError(t, db.Conn(ctx).Model(&note{}).Count(&seen).Error)
				require.EqualValues(t, 2, seen)
				require.Empty(t, after)
				return result
			})
		}
		require.ErrorIs(t, run(wrong), wrong)
		require.Zero(t, count(t, db))
		require.Empty(t, after)
		require.NoError(t, run(nil))
		require.EqualValues(t, 2, count(t, db))
		require.Equal(t, []string{"inner", "outer"}, after)

		db.AfterCommit(t.Context(), func() { after = append(after, "at once") })
		require.Len(t, after, 3)
	})
}

func TestFailedStatementDoomsTheTransaction(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		err := db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, insert(ctx, db, note{ID: "a"}))
			require.ErrorIs(t, insert(ctx, db, note{ID: "a"}), gorm.ErrDuplicatedKey)
			require.ErrorIs(t, insert(ctx, db, note{ID: "b"}), gorm.ErrDuplicatedKey, "nothing follows a failed statement")
			return nil
		})
		require.ErrorIs(t, err, gorm.ErrDuplicatedKey)
		require.Zero(t, count(t, db))

		err = db.Atomic(t.Context(), func(ctx context.Context) error {
			require.ErrorIs(t, db.Conn(ctx).Take(&note{}, &note{ID: "nobody"}).Error, gorm.ErrRecordNotFound)
			require.NoError(t, insert(ctx, db, note{ID: "a"}), "not found is no failure")
			return db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&note{ID: "a"}).Error
		})
		require.NoError(t, err)
		require.ErrorIs(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return insert(ctx, db, note{ID: "c", N: -1})
		}), gorm.ErrCheckConstraintViolated)
		err = db.Atomic(t.Context(), func(ctx context.Context) error {
			_ = db.Conn(ctx).Raw("INSERT INTO notes (id, text, n) VALUES ('a', '', 0) RETURNING id").Scan(new(string)).Error
			return nil
		})
		require.Error(t, err, "a failure that nobody looked at is noticed")
	})
}

func TestWritesOutsideAtomicAreRefused(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		ctx := t.Context()
		require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) }))
		var got []note
		for name, err := range map[string]error{
			"create":       insert(ctx, db, note{ID: "b"}),
			"update":       db.Conn(ctx).Model(&note{}).Where(&note{ID: "a"}).Update("n", 2).Error,
			"delete":       db.Conn(ctx).Where(&note{ID: "a"}).Delete(&note{}).Error,
			"exec":         db.Conn(ctx).Exec("DELETE FROM notes").Error,
			"raw query":    db.Conn(ctx).Raw("DELETE FROM notes RETURNING *").Scan(&got).Error,
			"with clauses": db.Conn(ctx).Clauses(clause.Returning{}).Where(&note{ID: "a"}).Delete(&got).Error,
		} {
			require.ErrorIs(t, err, database.ErrOutsideAtomic, name)
		}
		var leaked context.Context
		require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error { leaked = ctx; return nil }))
		require.ErrorIs(t, insert(leaked, db, note{ID: "late"}), database.ErrOutsideAtomic)
		require.EqualValues(t, 1, count(t, db))
	})
}

func TestManyWriters(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		ctx := t.Context()
		require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, db, note{ID: "sum"}) }))
		const writers, rounds = 64, 8
		errs := make(chan error, writers*rounds)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for r := range rounds {
					errs <- db.Atomic(ctx, func(ctx context.Context) error {
						var n note // read, then write: what a deferred transaction fails at
						if err := db.Conn(ctx).Where(&note{ID: "sum"}).Clauses(clause.Locking{Strength: "UPDATE"}).Take(&n).Error; err != nil {
							return err
						}
						if err := db.Conn(ctx).Model(&note{}).Where(&note{ID: "sum"}).Update("n", n.N+1).Error; err != nil {
							return err
						}
						return insert(ctx, db, note{ID: fmt.Sprintf("%d-%d", w, r)})
					})
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		var sum note
		require.NoError(t, db.Conn(ctx).Where(&note{ID: "sum"}).Take(&sum).Error)
		require.EqualValues(t, writers*rounds, sum.N)
		require.EqualValues(t, writers*rounds+1, count(t, db))
	})
}

// A command of the program beside the running shop is a second writer on the same
// file: reading and then writing must wait its turn, not fail.
func TestTwoWritersOfOneFile(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	var both [2]*database.DB
	for i := range both {
		db, err := testenv.Open(t, database.Config{Dir: dir}).Module(ctx, "test", 1)
		require.NoError(t, err)
		both[i] = withNotes(t, db)
	}
	require.NoError(t, both[0].Atomic(ctx, func(ctx context.Context) error { return insert(ctx, both[0], note{ID: "sum"}) }))
	const each = 50
	errs := make(chan error, len(both)*each)
	var wg sync.WaitGroup
	for _, db := range both {
		wg.Go(func() {
			for range each {
				errs <- db.Atomic(ctx, func(ctx context.Context) error {
					var n note
					if err := db.Conn(ctx).Where(&note{ID: "sum"}).Take(&n).Error; err != nil {
						return err
					}
					return db.Conn(ctx).Model(&note{}).Where(&note{ID: "sum"}).Update("n", n.N+1).Error
				})
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	var sum note
	require.NoError(t, both[1].Conn(ctx).Where(&note{ID: "sum"}).Take(&sum).Error)
	require.EqualValues(t, len(both)*each, sum.N)
}

func TestTimeRoundTrip(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		base := time.Date(2026, 3, 29, 0, 59, 59, 999_999_000, time.UTC)
		steps := []time.Duration{0, time.Microsecond, time.Millisecond, time.Second, 24 * time.Hour, 365 * 24 * time.Hour}
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for i := len(steps) - 1; i >= 0; i-- {
				at := base.Add(steps[i]).In(time.FixedZone("east", 5*3600+1800))
				if err := insert(ctx, db, note{ID: fmt.Sprint(i), At: database.At(at)}); err != nil {
					return err
				}
			}
			return nil
		}))
		var got []note
		require.NoError(t, db.Conn(t.Context()).Order(clause.OrderByColumn{Column: clause.Column{Name: "at"}}).Find(&got).Error)
		require.Len(t, got, len(steps))
		for i, n := range got {
			require.Equal(t, base.Add(steps[i]), n.At.Time)
			require.Nil(t, n.Gone)
			var same note
			require.NoError(t, db.Conn(t.Context()).Where(&note{At: n.At}).Take(&same).Error)
			require.Equal(t, n.ID, same.ID)
		}
		var later int64
		require.NoError(t, db.Conn(t.Context()).Model(&note{}).Where("at > ?", database.At(base)).Count(&later).Error)
		require.EqualValues(t, len(steps)-1, later)
	})
}

// What is no instant is NULL, whoever holds it and however it is sent.
func TestNoInstantIsNull(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		at := database.At(time.Date(2026, 3, 29, 0, 59, 59, 999_999_999, time.UTC))
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for i, n := range []note{{}, {At: at}, {Gone: &database.Time{}}, {Gone: &at}, {At: at, Gone: &at}} {
				n.ID = fmt.Sprint("sent ", i)
				if err := insert(ctx, db, n); err != nil {
					return err
				}
				if err := db.Later(ctx).Exec(`INSERT INTO notes (id, text, n, at, gone) VALUES (?, '', 0, ?, ?)`, fmt.Sprint("kept ", i), n.At, n.Gone).Error; err != nil {
					return err
				}
			}
			return nil
		}))
		for _, c := range []struct {
			where string
			n     int64
		}{{"at IS NULL", 6}, {"gone IS NULL", 6}, {"at IS NULL AND gone IS NULL", 4}, {"at = gone", 2}} {
			var n int64
			require.NoError(t, db.Conn(t.Context()).Model(&note{}).Where(c.where).Count(&n).Error)
			require.Equal(t, c.n, n, c.where)
		}
	})
}

func TestModulesAreApart(t *testing.T) {
	t.Parallel()
	// Without the guard: the databases keep modules apart by themselves.
	for name, config := range map[string]func(t *testing.T) database.Config{
		"sqlite": func(t *testing.T) database.Config { return database.Config{Dir: t.TempDir(), Guard: database.GuardOff} },
		"postgres": func(t *testing.T) database.Config {
			return database.Config{URL: testenv.PostgresURL(t), Guard: database.GuardOff}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := testenv.Open(t, config(t))
			apart(t, func(module string) *database.DB {
				db, err := cluster.Module(t.Context(), module, 9)
				require.NoError(t, err)
				return db
			})
		})
	}
}

func apart(t *testing.T, open func(string) *database.DB) {
	t.Helper()
	orders, payments := withNotes(t, open("orders")), withNotes(t, open("payments"))
	ctx := t.Context()
	require.NoError(t, orders.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, orders, note{ID: "a"}) }))
	require.EqualValues(t, 1, count(t, orders))
	require.Zero(t, count(t, payments))

	var got []note
	require.Error(t, payments.Conn(ctx).Raw("SELECT * FROM orders.notes").Scan(&got).Error)
	require.Empty(t, got)
	require.Error(t, payments.Atomic(ctx, func(ctx context.Context) error {
		return payments.Conn(ctx).Exec("INSERT INTO orders.notes (id, text, n) VALUES ('x', '', 0)").Error
	}))
	if payments.Dialect() == database.Postgres {
		var user, path string
		require.NoError(t, payments.Conn(ctx).Raw("SELECT current_user").Scan(&user).Error)
		require.NoError(t, payments.Conn(ctx).Raw("SELECT current_schema()").Scan(&path).Error)
		require.Equal(t, "banyan_payments", user)
		require.Equal(t, "payments", path)
		require.ErrorContains(t, payments.Conn(ctx).Raw("SELECT * FROM orders.notes").Scan(&got).Error, "42501")
		require.ErrorContains(t, payments.Atomic(ctx, func(ctx context.Context) error {
			return payments.Conn(ctx).Exec("CREATE TABLE public.mine (id text)").Error
		}), "42501")
	}

	err := orders.Atomic(ctx, func(ctx context.Context) error {
		return payments.Conn(ctx).Find(&got).Error
	})
	require.ErrorContains(t, err, "data of payments is not to be reached inside a transaction of orders")
	require.Error(t, orders.Atomic(ctx, func(ctx context.Context) error {
		return payments.Atomic(ctx, func(context.Context) error { return nil })
	}))
	require.NoError(t, orders.Atomic(ctx, func(ctx context.Context) error {
		return payments.Atomic(database.Detach(ctx), func(ctx context.Context) error { return insert(ctx, payments, note{ID: "p"}) })
	}))
}

func TestDeadlineStaysDeadline(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		withNotes(t, db)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) }))
		// Another transaction holds the row (with SQLite: the one writer).
		err := db.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, db.Conn(ctx).Model(&note{}).Where(&note{ID: "a"}).Update("n", 1).Error)
			short, cancel := context.WithTimeout(database.Detach(ctx), 100*time.Millisecond)
			defer cancel()
			return db.Atomic(short, func(ctx context.Context) error {
				return db.Conn(ctx).Model(&note{}).Where(&note{ID: "a"}).Update("n", 2).Error
			})
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, fault.DeadlineExceeded.Name(), fault.From(err).Code.Name())
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return insert(ctx, db, note{ID: "b"}) }))
	})
}

func TestFilesAreOurs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	db, err := testenv.Open(t, database.Config{Dir: dir}).Module(t.Context(), "orders", 1)
	require.NoError(t, err)
	withNotes(t, db)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	files, err := filepath.Glob(filepath.Join(dir, "orders.db*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
}

// A server that takes no connection in time is away, whoever's time it was. It is no end
// of the caller's context, which would be a mistake of ours to whoever asked.
func TestSilentServerIsAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes the connection, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	url := fmt.Sprintf("postgres://shop:s3cret@%s/shop?sslmode=disable", l.Addr())
	cfg, err := pgconn.ParseConfig(url)
	require.NoError(t, err)
	cfg.ConnectTimeout = 50 * time.Millisecond
	_, err = pgconn.ConnectConfig(t.Context(), cfg)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, database.Fault(t.Context(), err), fault.Unavailable)
	require.True(t, database.Disconnected(err))
	require.False(t, database.Disconnected(fmt.Errorf("a slow handler: %w", context.DeadlineExceeded)))
	require.True(t, database.Disconnected(fmt.Errorf("a write: %w", net.ErrClosed)))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.NotErrorIs(t, database.Fault(over, err), fault.Unavailable, "nobody waits any more")

	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = database.Open(short, database.Config{URL: url})
	require.ErrorIs(t, err, fault.Unavailable)
}

func TestDescribeHidesThePassword(t *testing.T) {
	t.Parallel()
	short, cancel := context.WithTimeout(t.Context(), time.Second) // else it waits for a server that is starting
	defer cancel()
	_, err := database.Open(short, database.Config{URL: "postgres://shop:s3cret@127.0.0.1:1/shop?sslmode=disable"})
	require.ErrorIs(t, err, fault.Unavailable)
	require.NotContains(t, err.Error(), "s3cret")
	_, err = database.Open(t.Context(), database.Config{URL: "postgres://shop:s3cret@host:port/shop"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
	cluster := testenv.Open(t, database.Config{Dir: t.TempDir()})
	_, err = cluster.Module(t.Context(), "Orders; --", 1)
	require.ErrorContains(t, err, "a module's name has")
}
