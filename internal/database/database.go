// Package database opens what a module owns and nothing else: a SQLite file, or
// a PostgreSQL schema with a role of its own.
package database

import (
	"context"
	"io/fs"
	"log/slog"

	"gorm.io/gorm"
)

// Dialect of SQL.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Config says where data lives.
type Config struct {
	URL        string // postgres://…; empty: SQLite files in Dir
	Dir        string // folder of the SQLite files
	Pool       int    // PostgreSQL connections of this process, all modules together; 45 unless set
	SingleRole bool   // no role per module, where the server's owner grants no right to make roles
	Logger     *slog.Logger
}

// Cluster is the shop's storage; modules get their part by Module.
type Cluster struct{}

// Open connects and checks the settings that reliability depends on.
func Open(ctx context.Context, cfg Config) (*Cluster, error) { panic("kit") }

// Module opens the part that the named module owns, making schema and role when missing.
// weight is the module's share of the pool (1..10).
func (c *Cluster) Module(ctx context.Context, name string, weight int) (*DB, error) { panic("kit") }

// Close closes everything.
func (c *Cluster) Close() error { panic("kit") }

// DB is one module's data.
type DB struct{}

// Module that owns the data.
func (db *DB) Module() string { panic("kit") }

// Dialect of the database.
func (db *DB) Dialect() Dialect { panic("kit") }

// Atomic runs fn in one write transaction, which the ctx given to fn carries.
// Inside a transaction of the same module it joins it. Serialization failures
// and deadlocks are retried, so fn must not keep effects outside the database.
// Unique violations come back as gorm.ErrDuplicatedKey in the chain.
func (db *DB) Atomic(ctx context.Context, fn func(ctx context.Context) error) error { panic("kit") }

// Conn is for statements: the transaction that ctx carries, else the read pool,
// which refuses writes.
func (db *DB) Conn(ctx context.Context) *gorm.DB { panic("kit") }

// AfterCommit runs fn once the outermost transaction of this module that ctx
// carries has committed; at once where there is none. fn must not block.
func (db *DB) AfterCommit(ctx context.Context, fn func()) { panic("kit") }

// Migrations is a named set of goose SQL files with a version table of its own.
// A file *.postgres.sql or *.sqlite.sql is only for that dialect.
type Migrations struct {
	Name string // "orders", or "outbox" for a kit part
	FS   fs.FS  // the files are at its root
}

// Migrate brings the sets to their newest version, in order, under a lock.
func (db *DB) Migrate(ctx context.Context, sets ...Migrations) error { panic("kit") }
