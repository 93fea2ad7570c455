package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	gooseStore "github.com/pressly/goose/v3/database"

	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// Migrations is a named set of goose SQL files with a version table of its own.
// A file *.postgres.sql or *.sqlite.sql is only for that dialect.
type Migrations struct {
	Name string // "orders", or "outbox" for a kit part
	FS   fs.FS  // the files are at its root
}

// SetStatus is how far a set of migrations is.
type SetStatus struct {
	Set     string
	Version int64    // the newest in the database, 0 where there is none
	Known   int64    // the newest that this binary brings; Version is above it after a newer binary ran
	Pending []string // file names, in order
}

var setName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Migrate brings the sets to their newest version, in order, under a lock.
// A database that a newer binary has brought further is left as it is: old and
// new run side by side during an update. Where nothing is missing, which is at
// nearly every start, neither lock nor connections of their own are taken.
func (db *DB) Migrate(ctx context.Context, sets ...Migrations) (err error) {
	if db.upToDate(ctx, sets) {
		return nil
	}
	return db.migrations(ctx, sets, func(set Migrations, p *goose.Provider) error {
		results, err := p.Up(ctx)
		for _, r := range results {
			if r.Error == nil {
				db.log.InfoContext(ctx, "migrated", "module", db.module, "set", set.Name,
					"version", r.Source.Version, "file", r.Source.Path, "took", r.Duration.Round(time.Millisecond))
			}
		}
		return err
	})
}

// upToDate tells whether every set is known to be applied to its newest version.
// What it cannot tell for sure is for Migrate to do, or to report.
func (db *DB) upToDate(ctx context.Context, sets []Migrations) bool {
	if open(ctx) != nil {
		return false
	}
	for _, set := range sets {
		p, store, err := db.provider(db.read, set)
		if errors.Is(err, goose.ErrNoMigrations) {
			continue
		}
		if err != nil {
			return false
		}
		if there, ok := store.(gooseStore.StoreExtender); ok {
			exists, err := there.TableExists(ctx, db.read)
			if !exists && !errors.Is(err, errors.ErrUnsupported) { // of SQLite: to list them fails where there is no table
				return false
			}
		}
		rows, err := store.ListMigrations(ctx, db.read)
		if err != nil {
			return false
		}
		applied := map[int64]bool{}
		for _, row := range rows {
			applied[row.Version] = row.IsApplied
		}
		for _, source := range p.ListSources() {
			if !applied[source.Version] {
				return false
			}
		}
	}
	return true
}

// MigrationStatus tells how far each set is and what Migrate would do. It makes
// the empty version tables where they are missing, and changes nothing else.
func (db *DB) MigrationStatus(ctx context.Context, sets ...Migrations) ([]SetStatus, error) {
	var all []SetStatus
	err := db.migrations(ctx, sets, func(set Migrations, p *goose.Provider) error {
		s := SetStatus{Set: set.Name}
		files, err := p.Status(ctx)
		if err != nil {
			return err
		}
		for _, f := range files {
			s.Known = max(s.Known, f.Source.Version)
			if f.State == goose.StatePending {
				s.Pending = append(s.Pending, f.Source.Path)
			}
		}
		s.Version, err = p.GetDBVersion(ctx)
		all = append(all, s)
		return err
	})
	return all, err
}

// migrations gives do a provider for each set, while no other process migrates
// this module.
func (db *DB) migrations(ctx context.Context, sets []Migrations, do func(Migrations, *goose.Provider) error) (err error) {
	if open(ctx) != nil {
		return fmt.Errorf("migrate %s: not inside a transaction", db.module)
	}
	pool, release, err := db.migrator(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", db.module, Fault(ctx, err))
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, set := range sets {
		p, _, err := db.provider(pool, set)
		if errors.Is(err, goose.ErrNoMigrations) {
			continue
		}
		if err != nil {
			return fmt.Errorf("migrate %s: %w", db.module, err)
		}
		crashpoint.Hit(db.module, "before-migration")
		if err := do(set, p); err != nil {
			return fmt.Errorf("migrate %s: set %s: %w", db.module, set.Name, Fault(ctx, err))
		}
		crashpoint.Hit(db.module, "after-migration")
	}
	return nil
}

// provider is goose's way to one set, on connections of pool. The error is
// goose.ErrNoMigrations where all of the set's files are for the other dialect.
func (db *DB) provider(pool *sql.DB, set Migrations) (*goose.Provider, gooseStore.Store, error) {
	if !setName.MatchString(set.Name) {
		return nil, nil, fmt.Errorf("%q is no name of a set: 1 to 40 of a-z, 0-9 and _, starting with a letter", set.Name)
	}
	if err := db.guards.learn(db.module, set); err != nil {
		return nil, nil, fmt.Errorf("set %s: %w", set.Name, err)
	}
	dialect := goose.DialectPostgres
	if db.dialect == SQLite {
		dialect = goose.DialectSQLite3
	}
	store, err := gooseStore.NewStore(dialect, "goose_"+set.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("set %s: %w", set.Name, err)
	}
	p, err := goose.NewProvider("", pool, dialectFS{set.FS, db.dialect},
		goose.WithStore(store), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, nil, fmt.Errorf("set %s: %w", set.Name, err)
	}
	return p, store, nil
}

// dialectFS hides the files that are for the other dialect.
type dialectFS struct {
	fs.FS
	dialect Dialect
}

// Glob implements fs.GlobFS, by which goose finds its files.
func (d dialectFS) Glob(pattern string) ([]string, error) {
	found, err := fs.Glob(d.FS, pattern)
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, name := range found {
		other := d.dialect == SQLite && strings.HasSuffix(name, ".postgres.sql") ||
			d.dialect == Postgres && strings.HasSuffix(name, ".sqlite.sql")
		if !other {
			kept = append(kept, name)
		}
	}
	return kept, nil
}
