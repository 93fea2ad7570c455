package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// tx is an open transaction.
type tx struct {
	db      *DB
	conn    *sql.Conn
	gorm    *gorm.DB
	callers [48]uintptr // where it was begun; written out only when somebody asks
	depth   int
	synced  bool // its commit waits for the disk
	final   bool // its last statement was sent

	mu     sync.Mutex
	ended  bool
	failed error // of the first statement that failed
	hooks  []func()
}

// errAfterLast says that a statement came after the last one.
var errAfterLast = errors.New("a statement follows the one that was sent as the last of its transaction")

// unknownRows is how many rows a write says it changed that was not sent yet.
const unknownRows = -1

type txKey struct{}

// open gives the transaction that ctx carries, nil where there is none or where
// it has ended.
func open(ctx context.Context) *tx {
	t, _ := ctx.Value(txKey{}).(*tx)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil
	}
	return t
}

// Detach gives ctx without its transaction: for a relay that deliberately hands
// work to another module while it holds its own rows. What is done with the
// result is neither undone nor committed with the transaction.
func Detach(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, (*tx)(nil))
}

// Inside tells whether ctx carries an open transaction of this module, which
// Atomic would join.
func (db *DB) Inside(ctx context.Context) bool {
	t := open(ctx)
	return t != nil && t.db == db
}

// AfterCommit runs fn once the outermost transaction of this module that ctx
// carries has committed; at once where there is none. fn must not block.
func (db *DB) AfterCommit(ctx context.Context, fn func()) {
	t := open(ctx)
	if t == nil || t.db != db {
		fn()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hooks = append(t.hooks, fn)
}

func (t *tx) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

func (t *tx) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
	}
}

func (t *tx) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// trespass reports, with both stacks, that a module's data is reached for inside
// a transaction of another module. Where modules share a process this would work
// today, and fail on the day when one of them moves out.
func (db *DB) trespass(t *tx) error {
	db.guards.counter.WithLabelValues(t.db.module, db.module).Inc()
	db.guards.tell(context.Background(), "transaction crosses modules", Trespass{
		Module: t.db.module, Other: db.module, Opened: frames(t.callers[:t.depth]), Issued: frames(callers()),
	})
	return fmt.Errorf("data of %s is not to be reached inside a transaction of %s: end the transaction first", db.module, t.db.module)
}

// txPool is the connection of a transaction as gorm sees it. It cannot begin,
// commit or roll back: only Atomic does.
type txPool struct {
	t     *tx
	later bool // writes may be kept back
	last  bool // the statement goes with the commit
}

func (p *txPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := p.check(ctx, query); err != nil {
		return nil, err
	}
	return p.t.conn.PrepareContext(ctx, query)
}

func (p *txPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := p.check(ctx, query); err != nil {
		return nil, err
	}
	if p.later && p.t.db.dialect == Postgres {
		return driver.RowsAffected(unknownRows), p.t.pipeline(func(c *pipelined) error {
			c.keep(query, args...)
			return nil
		})
	}
	if p.last {
		defer p.withCommit(&ctx)()
	}
	return p.t.conn.ExecContext(ctx, query, args...)
}

func (p *txPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := p.check(ctx, query); err != nil {
		return nil, err
	}
	if p.last {
		defer p.withCommit(&ctx)()
	}
	return p.t.conn.QueryContext(ctx, query, args...)
}

// withCommit lets the connection send the commit with the next statement, until
// the returned function is called. Like any commit it outlives its caller, and is given
// up after commitLimit.
func (p *txPool) withCommit(ctx *context.Context) func() {
	*ctx = context.WithoutCancel(*ctx)
	p.t.final = true
	if p.t.db.dialect != Postgres {
		return func() {}
	}
	crashpoint.Hit(p.t.db.module, "before-commit")
	set := func(on bool) {
		// It fails only where the statement fails too: the connection is gone.
		_ = p.t.pipeline(func(c *pipelined) error {
			c.last = on
			return nil
		})
	}
	set(true)
	return func() { set(false) }
}

func (p *txPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := p.check(ctx, query); err != nil {
		ctx = canceled(ctx)
	}
	return p.t.conn.QueryRowContext(ctx, query, args...)
}

// check refuses a statement that is not the module's; the transaction is then
// undone.
func (p *txPool) check(ctx context.Context, query string) error {
	err := p.t.db.check(ctx, query, p.t.callers[:p.t.depth])
	if err == nil && p.t.final {
		err = errAfterLast
	}
	if err != nil {
		p.t.fail(err)
	}
	return err
}

var _ gorm.ConnPool = (*txPool)(nil)
