// Package database opens what a module owns and nothing else: a SQLite file, or
// a PostgreSQL schema with a role of its own.
//
// What belongs here: connections, transactions, migrations, and the meaning of
// the databases' errors. What does not: any table or word of the business.
package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"
)

// Dialect of SQL.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// defaultPool is the number of PostgreSQL connections of one process, and the
// sum of the weights of the shop's modules. Two processes and an administrator
// fit into PostgreSQL's default of 100 connections, 3 of which it keeps.
const defaultPool = 45

// Config says where data lives.
type Config struct {
	URL        string // postgres://…; empty: SQLite files in Dir
	Dir        string // folder of the SQLite files
	Existing   bool   // only what is there is opened, and nothing is begun: ErrNoData
	Pool       int    // PostgreSQL connections of this process, all modules together; 45 unless set
	SingleRole bool   // no role per module, where the server's owner grants no right to make roles
	// Silence is after how long a PostgreSQL that owes an answer and says nothing is given
	// up: longer than it lets a statement run. 45 s unless set.
	Silence   time.Duration
	Logger    *slog.Logger
	Guard     Guard                 // of the borders between modules; report unless set
	GuardFile string                // JSON lines of what the guard saw; none where it is empty
	Metrics   prometheus.Registerer // nil: nothing is counted
}

// ErrNoData is that there is nothing where data should be, and nothing may be begun.
var ErrNoData = errors.New("no data")

// Cluster is the shop's storage; modules get their part by Module.
type Cluster struct {
	cfg     Config
	guards  *guards
	pg      *server // nil with SQLite
	mu      sync.Mutex
	modules map[string]*DB
	leave   []func() error // what Attend holds
}

// Open connects and checks the settings that reliability depends on.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Pool <= 0 {
		cfg.Pool = defaultPool
	}
	if cfg.Silence <= 0 {
		cfg.Silence = silence
	}
	guards, err := newGuards(cfg)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, guards: guards, modules: map[string]*DB{}}
	if cfg.URL == "" {
		return c, makeDir(cfg.Dir, cfg.Existing)
	}
	pg, err := dial(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Describe(), err)
	}
	c.pg = pg
	return c, nil
}

// A module's name is a file, a schema and part of a role's name. PostgreSQL cuts
// names after 63 bytes.
var moduleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Module opens the part that the named module owns, making schema and role when missing.
// weight is the module's share of the pool (1..10): of a pool of 45 it gets as
// many connections, but never less than 2. A module opened before is given again.
func (c *Cluster) Module(ctx context.Context, name string, weight int) (*DB, error) {
	if !moduleName.MatchString(name) {
		return nil, fmt.Errorf("open module %q: a module's name has 1 to 40 of a-z, 0-9 and _, and starts with a letter", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if db := c.modules[name]; db != nil {
		return db, nil
	}
	open := c.openSQLite
	if c.pg != nil {
		open = c.openPostgres
	}
	db, err := open(ctx, name, weight)
	if err != nil {
		return nil, fmt.Errorf("open module %s: %w", name, err)
	}
	db.guards = c.guards
	if err := db.prepare(c.cfg.Logger); err != nil {
		return nil, fmt.Errorf("open module %s: %w", name, errors.Join(err, db.close()))
	}
	c.modules[name] = db
	return db, nil
}

// Modules names the open modules in alphabetical order.
func (c *Cluster) Modules() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.modules))
	for name := range c.modules {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Dialect of the databases.
func (c *Cluster) Dialect() Dialect {
	if c.cfg.URL != "" {
		return Postgres
	}
	return SQLite
}

// Describe tells where data lives, for logs: without user and password.
func (c *Cluster) Describe() string {
	if c.cfg.URL == "" {
		return "SQLite files in " + c.cfg.Dir
	}
	u, err := url.Parse(c.cfg.URL)
	if err != nil || u.Host == "" {
		return "PostgreSQL"
	}
	how := "a role per module"
	if c.cfg.SingleRole {
		how = "one role"
	}
	return fmt.Sprintf("PostgreSQL %s%s, %s, %d connections", u.Host, u.Path, how, c.cfg.Pool)
}

// Ping tells whether every open module's data can be reached.
func (c *Cluster) Ping(ctx context.Context) error {
	c.mu.Lock()
	dbs := make([]*DB, 0, len(c.modules))
	for _, db := range c.modules {
		dbs = append(dbs, db)
	}
	c.mu.Unlock()
	for _, db := range dbs {
		if err := db.Ping(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close closes everything.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, leave := range c.leave {
		errs = append(errs, leave())
	}
	c.leave = nil
	for _, db := range c.modules {
		errs = append(errs, db.close())
	}
	clear(c.modules)
	if c.pg != nil {
		errs = append(errs, c.pg.admin.Close())
	}
	return errors.Join(errs...)
}

// gormConfig is the same in both dialects. Columns are selected by name, so that
// a column added by a newer version does not change what prepared statements of
// this one give.
func gormConfig(log *slog.Logger, module string) *gorm.Config {
	return &gorm.Config{
		TranslateError:           true,
		SkipDefaultTransaction:   true,
		DisableNestedTransaction: true,
		QueryFields:              true,
		Logger:                   &queryLog{log: log.With("module", module)},
	}
}
