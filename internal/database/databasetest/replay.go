package databasetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
)

// Work is what a crowd does, and what tells how much of it is done.
type Work struct {
	Do   func(ctx context.Context) error
	Done func(tb testing.TB) any
}

// CrowdBare is Crowd on SQLite without any of our layers. What the work sends to one
// database is taken down, and sent again in bare SQL, by the same driver with the same
// settings, to another one that has the same rows. Only the second is measured, and
// both must hold as much in the end.
func CrowdBare(b *testing.B, module string, migrations []database.Migrations, work func(db *database.DB) Work) {
	b.Helper()
	dir := os.Getenv(CrowdDatabase)
	if dir == "" {
		dir = b.TempDir()
	}
	open := func(name string) (*database.DB, func() error) {
		c, err := database.Open(b.Context(), database.Config{Dir: filepath.Join(dir, name), Logger: slog.New(slog.DiscardHandler)})
		require.NoError(b, err)
		db, err := c.Module(b.Context(), module, 1)
		require.NoError(b, err)
		require.NoError(b, db.Migrate(b.Context(), migrations...))
		return db, c.Close
	}
	again, closeAgain := open("again")
	work(again)
	require.NoError(b, closeAgain())
	db, closeDB := open("once")
	once := work(db)
	require.NoError(b, takeDown(db))

	r := openReplay(b, filepath.Join(dir, "again", module+".db"))
	clients := crowdSize(b)
	went := b.Run(fmt.Sprint(clients, "clients"), func(b *testing.B) {
		jobs := make([]*job, settling*clients+b.N)
		for i := range jobs {
			jobs[i] = &job{}
		}
		var next atomic.Int64
		require.NoError(b, together(b.Context(), clients, len(jobs), func(ctx context.Context) error {
			return once.Do(context.WithValue(ctx, jobKey{}, jobs[next.Add(1)-1]))
		}))
		require.NoError(b, r.prepare(b.Context(), jobs))
		next.Store(0)
		again := func(ctx context.Context) error { return r.do(ctx, jobs[next.Add(1)-1]) }
		require.NoError(b, together(b.Context(), clients, settling*clients, again))
		b.ResetTimer()
		err := together(b.Context(), clients, b.N, again)
		b.StopTimer()
		require.NoError(b, err)
	})
	require.NoError(b, r.close())
	want := once.Done(b)
	require.NoError(b, closeDB())
	if !went {
		b.FailNow()
	}
	again, closeAgain = open("again")
	require.Equal(b, want, work(again).Done(b))
	require.NoError(b, closeAgain())
}

// job is what one work sent, transaction by transaction.
type job struct {
	transactions [][]sent
	open         bool
}

type sent struct {
	text string
	args []any
}

type jobKey struct{}

// takeDown lets a module's statements be added to the job that their context carries.
func takeDown(db *database.DB) error {
	note := func(g *gorm.DB) {
		j, _ := g.Statement.Context.Value(jobKey{}).(*job)
		if j == nil {
			return
		}
		if !j.open {
			j.open, j.transactions = true, append(j.transactions, nil)
			db.AfterCommit(g.Statement.Context, func() { j.open = false })
		}
		args := make([]any, len(g.Statement.Vars))
		for i, v := range g.Statement.Vars {
			args[i] = v
			if valuer, ok := v.(driver.Valuer); ok {
				args[i], _ = valuer.Value() // it was written already
			}
		}
		last := len(j.transactions) - 1
		j.transactions[last] = append(j.transactions[last], sent{g.Statement.SQL.String(), args})
	}
	callbacks := db.Conn(context.Background()).Callback() // shared by all handles of the module
	const name = "databasetest:take_down"
	return errors.Join(
		callbacks.Create().After("*").Register(name, note), callbacks.Query().After("*").Register(name, note),
		callbacks.Update().After("*").Register(name, note), callbacks.Delete().After("*").Register(name, note),
		callbacks.Row().After("*").Register(name, note), callbacks.Raw().After("*").Register(name, note),
	)
}

// replay sends statements in bare SQL.
type replay struct {
	pool     *sql.DB
	prepared map[string]*sql.Stmt
}

// openReplay opens a file as internal/database writes to it.
func openReplay(b *testing.B, file string) *replay {
	b.Helper()
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
	}}
	pool, err := sql.Open("sqlite", file+"?"+query.Encode())
	require.NoError(b, err)
	pool.SetMaxOpenConns(1)
	var synchronous int
	require.NoError(b, pool.QueryRowContext(b.Context(), "PRAGMA synchronous").Scan(&synchronous))
	require.Equal(b, 2, synchronous, "as safe as the shop: FULL")
	return &replay{pool, map[string]*sql.Stmt{}}
}

func (r *replay) prepare(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		for _, t := range j.transactions {
			for _, s := range t {
				if r.prepared[s.text] != nil {
					continue
				}
				stmt, err := r.pool.PrepareContext(context.WithoutCancel(ctx), s.text)
				if err != nil {
					return err
				}
				r.prepared[s.text] = stmt
			}
		}
	}
	return nil
}

func (r *replay) do(ctx context.Context, j *job) error {
	for _, t := range j.transactions {
		tx, err := r.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for _, s := range t {
			if err := send(ctx, tx.StmtContext(ctx, r.prepared[s.text]), s); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// send sends a statement, and reads the rows it gives.
func send(ctx context.Context, stmt *sql.Stmt, s sent) error {
	if !strings.HasPrefix(s.text, "SELECT") && !strings.Contains(s.text, "RETURNING") {
		_, err := stmt.ExecContext(ctx, s.args...)
		return err
	}
	rows, err := stmt.QueryContext(ctx, s.args...)
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for err == nil && rows.Next() {
		err = rows.Scan(values...)
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

func (r *replay) close() error {
	var errs []error
	for _, s := range r.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.pool.Close())...)
}
