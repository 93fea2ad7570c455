package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/semaphore"
	"gorm.io/gorm"
)

// DB is one module's data.
type DB struct {
	module  string
	dialect Dialect
	read    *sql.DB // refuses writes
	write   *sql.DB // the same pool as read with PostgreSQL
	gorm    *gorm.DB
	dial    gorm.Dialector
	log     *slog.Logger
	guards  *guards
	begin   string // the statement that starts a write transaction
	begun   string // its file, which was not there; empty with PostgreSQL

	// turns hands the one write connection of SQLite on in the order of asking.
	// database/sql picks whoever waits at random: among 64 writers some would
	// wait past their deadline. Nil with PostgreSQL, where reads share the pool.
	turns *semaphore.Weighted

	// migrator opens what migrations run on, with time-outs that fit them, and
	// waits until no other process migrates the module.
	migrator func(ctx context.Context) (conn *sql.DB, release func() error, err error)
}

// prepare makes the gorm handle, once the pools are open.
func (db *DB) prepare(log *slog.Logger) error {
	db.log = log
	g, err := gorm.Open(db.dial, gormConfig(log, db.module))
	if err != nil {
		return fmt.Errorf("start gorm: %w", err)
	}
	db.gorm = g
	if err := g.Use(boundary{db}); err != nil {
		return fmt.Errorf("watch the borders of the module: %w", err)
	}
	return db.watch()
}

// Module that owns the data.
func (db *DB) Module() string { return db.module }

// Begun is the file that was made because there was none, with its whole path; empty
// where there was one, and with PostgreSQL, where several instances make the schemas
// of a new shop together.
func (db *DB) Begun() string { return db.begun }

// Dialect of the database.
func (db *DB) Dialect() Dialect { return db.dialect }

// Conn is for statements: the transaction that ctx carries, else the read pool,
// which refuses writes.
func (db *DB) Conn(ctx context.Context) *gorm.DB {
	t := open(ctx)
	if t != nil && t.db == db {
		g := t.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
		g.Dialector = judge{Dialector: db.dial, ctx: ctx, t: t}
		return g
	}
	g := db.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
	g.Dialector = judge{Dialector: db.dial, ctx: ctx}
	if db.guards.stacks { // elsewhere a stack for each read would cost more than it tells
		g.Statement.ConnPool = &readPool{db: db, opened: callers()}
	}
	if t != nil {
		g.Error = db.trespass(t)
	}
	return g
}

// Later is Conn for writes whose outcome nobody looks at: they may be sent
// together with the next statement of the transaction, or with its commit, which
// saves a round trip each. RowsAffected says nothing. An error comes out of Atomic
// if not before, with the same meaning, and undoes the transaction like any other.
// Not for writes that may wait for others: a commit is not given up half-way.
func (db *DB) Later(ctx context.Context) *gorm.DB {
	g := db.Conn(ctx)
	if p, ok := g.Statement.ConnPool.(*txPool); ok {
		g.Statement.ConnPool = &txPool{t: p.t, later: true}
	}
	return g
}

// Last is Conn for the last statement of a transaction, if the transaction is to be
// committed whatever the statement finds: it is sent together with the commit, which
// saves a round trip. An error of the statement undoes the transaction as ever; what
// fn returns after it does not, and no statement may follow.
func (db *DB) Last(ctx context.Context) *gorm.DB {
	g := db.Conn(ctx)
	if p, ok := g.Statement.ConnPool.(*txPool); ok {
		g.Statement.ConnPool = &txPool{t: p.t, last: true}
	}
	return g
}

// Ping tells whether the data can be reached. Codes: Unavailable.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping %s: %w", db.module, Fault(ctx, err))
	}
	return nil
}

func (db *DB) close() error {
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}
