package database_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	cluster := testenv.Open(t, database.Config{URL: testenv.PostgresURL(t)})
	db, err := cluster.Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	ctx := t.Context()
	require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error {
		return db.Conn(ctx).Create([]note{{ID: "a"}, {ID: "b"}}).Error
	}))
	var runs atomic.Int32
	var both sync.WaitGroup // each holds its first row before either asks for its second
	both.Add(2)
	add := func(first, second string) error {
		var once sync.Once
		return db.Atomic(ctx, func(ctx context.Context) error {
			runs.Add(1)
			for i, id := range []string{first, second} {
				err := db.Conn(ctx).Model(&note{}).Where(&note{ID: id}).Update("n", gorm.Expr("n + 1")).Error
				if err != nil {
					return errors.New("the cause is hidden")
				}
				if i == 0 {
					once.Do(func() { both.Done(); both.Wait() })
				}
			}
			return nil
		})
	}
	errs := make(chan error, 2)
	go func() { errs <- add("a", "b") }()
	go func() { errs <- add("b", "a") }()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	require.GreaterOrEqual(t, runs.Load(), int32(3), "a deadlock was met")
	var all []note
	require.NoError(t, db.Conn(ctx).Find(&all).Error)
	for _, n := range all {
		require.EqualValues(t, 2, n.N)
	}
}

// A process that is paused inside a transaction keeps its locks for less time than
// others wait for them, and what it had begun comes to nothing.
func TestPausedTransactionLetsGo(t *testing.T) {
	t.Parallel()
	db, err := testenv.Open(t, database.Config{URL: testenv.PostgresURL(t)}).Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	ctx := t.Context()
	require.NoError(t, db.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) }))
	write := func(ctx context.Context, n int) error {
		return db.Conn(ctx).Model(&note{}).Where(&note{ID: "a"}).Update("n", n).Error
	}
	holds, wakes, slept := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		slept <- db.Atomic(ctx, func(ctx context.Context) error {
			if err := write(ctx, 1); err != nil {
				return err
			}
			close(holds)
			<-wakes
			return nil
		})
	}()
	<-holds
	err = db.Atomic(ctx, func(ctx context.Context) error { return write(ctx, 2) })
	close(wakes)
	require.NoError(t, err, "the sleeper's lock outlived the patience of others")
	require.ErrorIs(t, <-slept, fault.Unavailable)
	var n note
	require.NoError(t, db.Conn(ctx).Take(&n).Error)
	require.EqualValues(t, 2, n.N)
}

func TestLostConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	address := testenv.PostgresURL(t)
	db, err := testenv.Open(t, database.Config{URL: address}).Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	admin, err := sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	ctx := t.Context()
	pidOf := func(ctx context.Context) (pid int) {
		require.NoError(t, db.Conn(ctx).Raw("SELECT pg_backend_pid()").Scan(&pid).Error)
		return pid
	}
	kill := func(pid int) {
		_, err := admin.ExecContext(ctx, "SELECT pg_terminate_backend($1)", pid)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			var n int
			err := admin.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid).Scan(&n)
			return err == nil && n == 0
		}, patience, 10*time.Millisecond)
	}

	err = db.Atomic(ctx, func(ctx context.Context) error {
		require.NoError(t, insert(ctx, db, note{ID: "a"}))
		kill(pidOf(ctx))
		return insert(ctx, db, note{ID: "b"})
	})
	require.ErrorIs(t, err, fault.Unavailable)
	require.NotErrorIs(t, err, database.ErrUnknownOutcome)
	require.NoError(t, db.Ping(ctx))
	require.Zero(t, count(t, db))

	var runs int
	err = db.Atomic(ctx, func(ctx context.Context) error {
		runs++
		require.NoError(t, insert(ctx, db, note{ID: "a"}))
		kill(pidOf(ctx)) // between the last statement and the commit
		return nil
	})
	require.ErrorIs(t, err, database.ErrUnknownOutcome)
	require.ErrorIs(t, err, fault.Unavailable)
	require.Equal(t, 1, runs, "never repeated by itself")
	require.NoError(t, db.Ping(ctx))
	require.Zero(t, count(t, db))
}

// A standby, or a primary that became one, takes no writes. It says so when a
// transaction begins, with the code of a stale statement.
func TestStandbyIsUnavailable(t *testing.T) {
	t.Parallel()
	db, err := testenv.Open(t, database.Config{URL: testenv.PostgresURL(t)}).Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	db.BeginWith(`DO $$ BEGIN RAISE EXCEPTION 'cannot set transaction read-write mode during recovery' USING ERRCODE = '0A000'; END $$`)
	for name, write := range map[string]func(ctx context.Context) error{
		"at once": func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) },
		"later":   func(ctx context.Context) error { return db.Later(ctx).Create(&note{ID: "a"}).Error },
		"last":    func(ctx context.Context) error { return db.Last(ctx).Create(&note{ID: "a"}).Error },
		"read":    func(ctx context.Context) error { return db.Conn(ctx).Find(new([]note)).Error },
	} {
		runs := 0
		err := db.Atomic(t.Context(), func(ctx context.Context) error {
			runs++
			return write(ctx)
		})
		require.ErrorIs(t, err, fault.Unavailable, name)
		require.Equal(t, "the database takes no writes at present, try again later", fault.From(err).Message, name)
		require.Equal(t, 1, runs, name)
	}
	require.Zero(t, count(t, db), "reads go on")
}

// A server that lets our login in no more is away for the shop, and what runs goes on
// when it does again. At the start it is a wrong address.
func TestRefusedLoginIsUnavailable(t *testing.T) {
	t.Parallel()
	address := testenv.PostgresURL(t)
	admin, err := sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	ctx := t.Context()
	exec := func(ctx context.Context, statement string, args ...any) {
		_, err := admin.ExecContext(ctx, statement, args...)
		require.NoError(t, err, statement)
	}
	name := "r" + strings.ReplaceAll(id.V7(), "-", "")
	exec(ctx, "CREATE ROLE "+name+" LOGIN PASSWORD 'secret'")
	exec(ctx, "GRANT CREATE ON DATABASE "+strings.TrimPrefix(mustPath(t, address), "/")+" TO "+name)
	t.Cleanup(func() {
		exec(context.Background(), "DROP OWNED BY "+name)
		exec(context.Background(), "DROP ROLE "+name)
	})
	u, err := url.Parse(address)
	require.NoError(t, err)
	u.User = url.UserPassword(name, "secret")
	db, err := testenv.Open(t, database.Config{URL: u.String(), SingleRole: true}).Module(ctx, "test", 9)
	require.NoError(t, err)
	require.NoError(t, db.Ping(ctx))

	exec(ctx, "ALTER ROLE "+name+" NOLOGIN")
	exec(ctx, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1", name)
	for range 10 { // more than there were connections, which were cut
		err := db.Atomic(ctx, func(ctx context.Context) error { return db.Conn(ctx).Exec("SELECT 1").Error })
		require.ErrorIs(t, err, fault.Unavailable)
		require.True(t, database.Disconnected(err))
	}
	err = db.Ping(ctx)
	require.ErrorIs(t, err, fault.Unavailable)
	require.Equal(t, "the database does not let the shop in at present, try again later", fault.From(err).Message)
	_, err = database.Open(ctx, database.Config{URL: u.String(), SingleRole: true})
	require.ErrorContains(t, err, "not permitted to log in")
	require.NotErrorIs(t, err, fault.Unavailable)

	exec(ctx, "ALTER ROLE "+name+" LOGIN")
	require.NoError(t, db.Ping(ctx))
}

// The login user is no superuser: it may make roles and schemas, or nothing at all.
func TestOrdinaryLogin(t *testing.T) {
	t.Parallel()
	address := testenv.PostgresURL(t)
	admin, err := sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	module := "m" + strings.ReplaceAll(id.V7(), "-", "")
	login := func(name, options string) string {
		exec := func(ctx context.Context, statement string) {
			_, err := admin.ExecContext(ctx, statement)
			require.NoError(t, err, statement)
		}
		exec(t.Context(), "CREATE ROLE "+name+" LOGIN PASSWORD 'secret' "+options)
		u, err := url.Parse(address)
		require.NoError(t, err)
		t.Cleanup(func() {
			exec(context.Background(), "DROP OWNED BY "+name)
			exec(context.Background(), "DROP ROLE "+name)
		})
		u.User = url.UserPassword(name, "secret")
		return u.String()
	}
	maker, guest := login(module+"_maker", "CREATEROLE"), login(module+"_guest", "")
	_, err = admin.ExecContext(t.Context(), "GRANT CREATE ON DATABASE "+strings.TrimPrefix(mustPath(t, address), "/")+" TO "+module+"_maker")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP OWNED BY banyan_"+module)
		require.NoError(t, err)
		_, err = admin.ExecContext(context.Background(), "DROP ROLE banyan_"+module)
		require.NoError(t, err)
	})

	db, err := testenv.Open(t, database.Config{URL: maker}).Module(t.Context(), module, 1)
	require.NoError(t, err)
	withNotes(t, db)
	require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return insert(ctx, db, note{ID: "a"}) }))

	for _, single := range []bool{false, true} {
		_, err = testenv.Open(t, database.Config{URL: guest, SingleRole: single}).Module(t.Context(), "other", 1)
		require.ErrorContains(t, err, "grant the login user CREATE on the database and CREATEROLE")
	}
}

func mustPath(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Path
}
