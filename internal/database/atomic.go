package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/crashpoint"
)

const (
	attempts     = 6                     // of a transaction that lost against another one
	firstPause   = 10 * time.Millisecond // before the second attempt, then doubled, with jitter
	commitLimit  = 15 * time.Second      // a commit is not given up when its caller is
	releaseLimit = 5 * time.Second
)

// ErrUnknownOutcome is in the chain where the connection was lost during a
// commit: the transaction may have happened or not. Such a transaction is not
// retried here; repeat the whole command under its idempotency key.
var ErrUnknownOutcome = errors.New("the outcome of the commit is unknown")

// ErrOutsideAtomic is in the chain where a write was refused because ctx carries
// no transaction.
var ErrOutsideAtomic = errors.New("writes need a transaction: wrap them in Atomic and use the context that it gives")

// Atomic runs fn in one write transaction, which the ctx given to fn carries.
// Inside a transaction of the same module it joins it; an error of the inner fn
// then undoes nothing by itself. Inside a transaction of another module it is
// refused. Serialization failures and deadlocks are retried, so fn must not keep
// effects outside the database. Unique violations come back as
// gorm.ErrDuplicatedKey in the chain. A transaction in which a statement failed
// can do nothing more and is never committed, in either dialect.
func (db *DB) Atomic(ctx context.Context, fn func(ctx context.Context) error) error {
	if t := open(ctx); t != nil {
		if t.db != db {
			return db.trespass(t)
		}
		if err := t.failure(); err != nil {
			return broken(err)
		}
		return fn(ctx)
	}
	return db.outermost(ctx, fn, true)
}

// AtomicUnsynced is Atomic that does not wait until the disk has the transaction:
// when the machine or the database server dies within a second it may be undone,
// together with all that came after it and is unsynced too. Death of this process
// alone undoes nothing. It is for what says only how far some work has come, where
// the work is recognised when it is done again: the lanes of a relay, not an effect.
// Inside a transaction of the same module it joins that one.
func (db *DB) AtomicUnsynced(ctx context.Context, fn func(ctx context.Context) error) error {
	if open(ctx) != nil {
		return db.Atomic(ctx, fn)
	}
	return db.outermost(ctx, fn, false)
}

// outermost runs fn in a transaction that is nobody's part.
func (db *DB) outermost(ctx context.Context, fn func(ctx context.Context) error, synced bool) error {
	for attempt := 1; ; attempt++ {
		hooks, again, err := db.once(ctx, fn, synced)
		if err == nil {
			for _, hook := range hooks {
				hook()
			}
			return nil
		}
		if !again || attempt == attempts {
			return err
		}
		pause := firstPause << (attempt - 1)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// once runs fn in one transaction. again tells whether the transaction was
// undone for a reason that may not be there the next time.
func (db *DB) once(ctx context.Context, fn func(ctx context.Context) error, synced bool) (hooks []func(), again bool, err error) {
	t, err := db.start(ctx, synced)
	if err != nil {
		return nil, false, fmt.Errorf("begin transaction of %s: %w", db.module, Fault(ctx, err))
	}
	ended := false
	defer func() { // a panic or runtime.Goexit goes through here
		if !ended {
			t.rollback(ctx)
		}
	}()
	err = fn(context.WithValue(ctx, txKey{}, t))
	ended = true
	if failed := t.failure(); failed != nil {
		t.rollback(ctx)
		var kept *keptError
		switch {
		case errors.As(failed, &kept): // whatever fn made of it
			err = fmt.Errorf("write in a transaction of %s: %w", db.module, Fault(ctx, t.translate(kept.cause)))
		case err == nil:
			err = broken(failed)
		}
		return nil, lost(failed), err
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		t.rollback(ctx)
		return nil, false, err
	}
	if !t.final || db.dialect != Postgres { // else it went with the last statement
		crashpoint.Hit(db.module, "before-commit")
	}
	if err := t.commit(ctx); err != nil {
		return nil, lost(err), fmt.Errorf("commit transaction of %s: %w", db.module, err)
	}
	crashpoint.Hit(db.module, "after-commit")
	return t.hooks, false, nil
}

// start takes a connection and begins. A connection whose begin failed is not
// used again: it may be inside a transaction.
func (db *DB) start(ctx context.Context, synced bool) (*tx, error) {
	if db.turns != nil {
		if err := db.turns.Acquire(ctx, 1); err != nil {
			return nil, err
		}
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		db.next()
		return nil, err
	}
	t := &tx{db: db, conn: conn, synced: synced}
	if err := t.begin(ctx); err != nil {
		t.discard()
		return nil, err
	}
	t.depth = runtime.Callers(2, t.callers[:])
	t.gorm = db.gorm.WithContext(ctx)
	t.gorm.Statement.ConnPool = &txPool{t: t}
	return t, nil
}

// begin begins. PostgreSQL is told with the first statement: a transaction
// without any costs nothing.
func (t *tx) begin(ctx context.Context) error {
	if t.db.dialect == SQLite {
		if !t.synced {
			if _, err := t.conn.ExecContext(ctx, dontWaitForDisk); err != nil {
				return err
			}
		}
		_, err := t.conn.ExecContext(ctx, t.db.begin)
		return err
	}
	return t.pipeline(func(c *pipelined) error {
		if c.Conn.Conn().IsClosed() {
			return driver.ErrBadConn
		}
		c.keep(t.db.begin)
		if !t.synced {
			c.keep(unsyncedCommit)
		}
		return nil
	})
}

// pipeline gives do the connection, which nobody else uses meanwhile.
func (t *tx) pipeline(do func(*pipelined) error) error {
	return t.conn.Raw(func(c any) error { return do(c.(*pipelined)) })
}

// commit outlives its caller: a commit that is given up half-way would leave an
// unknown outcome.
func (t *tx) commit(ctx context.Context) error {
	t.end()
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	err := t.sendCommit(limited)
	if err == nil {
		t.resync(limited)
		t.giveBack()
		return nil
	}
	// SQLite keeps a transaction open when its commit fails; closing the
	// connection undoes it.
	t.discard()
	if definite(err) {
		return Fault(ctx, err)
	}
	return Fault(ctx, fmt.Errorf("%w: %w", ErrUnknownOutcome, err))
}

// errNotReached says that a statement before the commit failed.
var errNotReached = errors.New("a statement of the transaction failed")

var errSilentRollback = errors.New("the server undid the transaction because a statement in it had failed")

func (t *tx) sendCommit(ctx context.Context) error {
	if t.db.dialect == SQLite {
		_, err := t.conn.ExecContext(ctx, "COMMIT")
		return err
	}
	// PostgreSQL answers the commit of a failed transaction with "ROLLBACK" and
	// no error, which database/sql does not show.
	var failed error
	err := t.pipeline(func(c *pipelined) error {
		if c.unbegun() || c.committed {
			c.kept, c.committed = nil, false
			return nil
		}
		tag, err := c.exec(ctx, "COMMIT")
		var kept *keptError
		switch {
		case errors.As(err, &kept) && pgCode(err) != "": // the server came no further
			failed, err = fmt.Errorf("%w: %w", errNotReached, t.translate(kept.cause)), nil
		case err == nil && tag.String() != "COMMIT":
			failed = errSilentRollback
		}
		return err
	})
	return errors.Join(err, failed)
}

func (t *tx) rollback(ctx context.Context) {
	t.end()
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseLimit)
	defer cancel()
	if err := t.sendRollback(limited); err != nil {
		t.discard()
		return
	}
	t.resync(limited)
	t.giveBack()
}

// resync makes the connection wait for the disk again. A connection that will not
// is not used any more.
func (t *tx) resync(ctx context.Context) {
	if t.synced || t.db.dialect != SQLite {
		return
	}
	if _, err := t.conn.ExecContext(ctx, waitForDisk); err != nil {
		_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

func (t *tx) sendRollback(ctx context.Context) error {
	if t.db.dialect == SQLite {
		_, err := t.conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	return t.pipeline(func(c *pipelined) error {
		c.kept = nil
		if c.Conn.Conn().PgConn().TxStatus() == 'I' {
			return nil
		}
		_, err := c.Conn.Conn().Exec(ctx, "ROLLBACK")
		return err
	})
}

// translate gives an error of a statement the meaning that gorm would give it.
func (t *tx) translate(err error) error {
	if meaning, ok := t.db.dial.(gorm.ErrorTranslator); ok {
		return meaning.Translate(err)
	}
	return err
}

// discard closes the connection for good instead of giving it back to the pool.
func (t *tx) discard() {
	_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
	t.giveBack()
}

// giveBack ends the use of the connection, and lets the next one have it.
func (t *tx) giveBack() {
	_ = t.conn.Close() // gives it back to the pool
	t.db.next()
}

func (db *DB) next() {
	if db.turns != nil {
		db.turns.Release(1)
	}
}

func broken(err error) error {
	return fmt.Errorf("the transaction can only be undone, because a statement in it failed before: %w", err)
}
