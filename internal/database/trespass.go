package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/sqltables"
)

// Guard says what becomes of a statement that touches a table of another module.
// A database that keeps modules apart refuses it by itself; the guard also sees
// it where it does not, and says who it was.
type Guard string

// The guards.
const (
	GuardReport Guard = "report" // it runs, is logged once, and counted
	GuardRefuse Guard = "refuse" // it does not run, and ErrTrespass comes back
	GuardOff    Guard = "off"    // nobody looks
)

// ErrTrespass is in the chain where a statement was refused because it touches a
// table of another module.
var ErrTrespass = errors.New("a module's statements touch its own tables only: ask the owner through its contract")

// Trespass is what the guard saw.
type Trespass struct {
	Module    string   `json:"module"`
	Other     string   `json:"other"`
	Table     string   `json:"table,omitempty"` // empty: data of Other was reached for inside a transaction of Module
	Statement string   `json:"statement,omitempty"`
	Opened    []string `json:"opened"` // frames where the transaction was opened, the innermost first; or the handle of a read outside of one, where stacks are noted
	Issued    []string `json:"issued"` // frames where the statement was issued
}

const (
	verdicts     = 4096 // remembered per cluster
	longestShown = 500  // bytes of a statement in a report
	framesShown  = 24
)

// guards is what the modules of a cluster know of each other's tables.
type guards struct {
	mode    Guard
	file    string // JSON lines; empty: none
	stacks  bool   // is noted for each read where its handle was opened, a walk up the stack
	log     *slog.Logger
	counter *prometheus.CounterVec
	seed    maphash.Seed

	mu       sync.RWMutex
	owners   map[string][]string // modules by table
	modules  map[string]bool     // that have tables
	verdicts map[verdict]*foreign
}

// verdict names a statement of a module.
type verdict struct {
	module string
	hash   uint64
}

// foreign is the table that a statement must not touch; nil for a good one.
type foreign struct {
	table, other string
	told         sync.Once
}

func newGuards(cfg Config) (*guards, error) {
	g := &guards{
		mode: cfg.Guard, file: cfg.GuardFile, log: cfg.Logger, seed: maphash.MakeSeed(),
		owners: map[string][]string{}, modules: map[string]bool{}, verdicts: map[verdict]*foreign{},
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "banyan_database_trespasses_total", Help: "Statements that touched a table of another module, and transactions that crossed modules.",
		}, []string{"module", "other"}),
	}
	switch g.mode {
	case "":
		g.mode = GuardReport
	case GuardReport, GuardRefuse, GuardOff:
	default:
		return nil, fmt.Errorf("the guard %q is not known: refuse, report or off", g.mode)
	}
	// Whoever refuses, or has it written down, wants to find the place.
	g.stacks = g.mode == GuardRefuse || g.mode == GuardReport && g.file != ""
	if g.file != "" { // it is there from the start: one that is empty says that nothing was seen
		if err := g.add(nil); err != nil {
			return nil, fmt.Errorf("open the file for what the guard sees: %w", err)
		}
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(g.counter); err != nil {
			return nil, fmt.Errorf("count trespasses: %w", err)
		}
	}
	return g, nil
}

// learn notes the tables that a set of a module's migrations makes.
func (g *guards) learn(module string, set Migrations) error {
	if g.mode == GuardOff {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.modules[module] = true
	clear(g.verdicts) // made with less knowledge
	return fs.WalkDir(set.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".sql" {
			return err
		}
		text, err := fs.ReadFile(set.FS, name)
		if err != nil {
			return err
		}
		for _, u := range sqltables.In(string(text)) {
			if u.Creates && !slices.Contains(g.owners[u.Name], module) {
				g.owners[u.Name] = append(g.owners[u.Name], module)
			}
		}
		return nil
	})
}

// judge reads a statement once; it is known by its text from then on.
func (g *guards) judge(module, statement string) *foreign {
	key := verdict{module, maphash.String(g.seed, statement)}
	g.mu.RLock()
	f, known := g.verdicts[key]
	g.mu.RUnlock()
	if known {
		return f
	}
	uses := sqltables.In(statement)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range uses {
		if other := g.trespassed(module, u); other != "" {
			f = &foreign{table: u.String(), other: other}
			break
		}
	}
	if len(g.verdicts) >= verdicts {
		clear(g.verdicts)
	}
	g.verdicts[key] = f
	return f
}

// trespassed names the owner of a table that is not the module's.
func (g *guards) trespassed(module string, u sqltables.Use) string {
	if u.Schema != "" {
		if schema := strings.ToLower(u.Schema); schema != module && g.modules[schema] {
			return schema
		}
		return ""
	}
	who := g.owners[u.Name]
	if len(who) == 0 || slices.Contains(who, module) {
		return ""
	}
	return who[0]
}

// check looks at a statement before it runs. The error is for GuardRefuse.
func (db *DB) check(ctx context.Context, statement string, opened []uintptr) error {
	g := db.guards
	if g.mode == GuardOff {
		return nil
	}
	f := g.judge(db.module, statement)
	if f == nil {
		return nil
	}
	g.counter.WithLabelValues(db.module, f.other).Inc()
	tell := func() {
		g.tell(ctx, "statement touches another module's table", Trespass{
			Module: db.module, Other: f.other, Table: f.table, Statement: statement[:min(len(statement), longestShown)],
			Opened: frames(opened), Issued: frames(callers()),
		})
	}
	if g.mode == GuardReport {
		f.told.Do(tell)
		return nil
	}
	tell()
	return fmt.Errorf("%w: %s reached for the table %s of %s", ErrTrespass, db.module, f.table, f.other)
}

func (g *guards) tell(ctx context.Context, message string, t Trespass) {
	g.log.ErrorContext(ctx, message, "module", t.Module, "other", t.Other, "table", t.Table, "sql", t.Statement,
		"opened", strings.Join(t.Opened, "\n"), "issued", strings.Join(t.Issued, "\n"))
	if g.file == "" {
		return
	}
	if err := g.write(t); err != nil {
		g.log.ErrorContext(ctx, "what the guard of the databases saw cannot be written down", "error", err)
	}
}

// write adds a line.
func (g *guards) write(t Trespass) error {
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return g.add(append(line, '\n'))
}

// add writes to the end of the file. Several processes may do so.
func (g *guards) add(text []byte) error {
	f, err := os.OpenFile(g.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// callers notes where this package was called from.
func callers() []uintptr {
	pcs := make([]uintptr, framesShown)
	return pcs[:runtime.Callers(3, pcs)]
}

func frames(pcs []uintptr) []string {
	list := []string{}
	if len(pcs) == 0 {
		return list
	}
	for it := runtime.CallersFrames(pcs); ; {
		f, more := it.Next()
		list = append(list, fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line))
		if !more {
			return list
		}
	}
}

// boundary is the plugin of gorm through which all statements outside of
// transactions go; those inside go through the txPool.
type boundary struct{ db *DB }

var _ gorm.Plugin = boundary{}

// Name implements gorm.Plugin.
func (boundary) Name() string { return "banyan:boundary" }

// Initialize implements gorm.Plugin.
func (b boundary) Initialize(g *gorm.DB) error {
	g.ConnPool = &readPool{db: b.db}
	g.Statement.ConnPool = g.ConnPool
	return nil
}

// readPool is the read pool as gorm sees it.
type readPool struct {
	db     *DB
	opened []uintptr // known where stacks are noted
}

var (
	_ gorm.ConnPool       = (*readPool)(nil)
	_ gorm.GetDBConnector = (*readPool)(nil)
)

// GetDBConn implements gorm.GetDBConnector.
func (p *readPool) GetDBConn() (*sql.DB, error) { return p.db.read, nil }

func (p *readPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := p.db.check(ctx, query, p.opened); err != nil {
		return nil, err
	}
	return p.db.read.PrepareContext(ctx, query)
}

func (p *readPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := p.db.check(ctx, query, p.opened); err != nil {
		return nil, err
	}
	return p.db.read.ExecContext(ctx, query, args...)
}

func (p *readPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := p.db.check(ctx, query, p.opened); err != nil {
		return nil, err
	}
	return p.db.read.QueryContext(ctx, query, args...)
}

func (p *readPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := p.db.check(ctx, query, p.opened); err != nil {
		return p.db.read.QueryRowContext(canceled(ctx), query, args...)
	}
	return p.db.read.QueryRowContext(ctx, query, args...)
}

// canceled makes a row of database/sql an error, which cannot be made otherwise.
func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
