package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "github.com/banyan-tree/banyan/internal/database" // brings the shop's own driver "sqlite"
)

// sqlitePragmas are those of the shop (internal/database/sqlite.go): the same
// safety on both sides.
func sqlitePragmas() []string {
	return []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)"}
}

// openSQLite opens a file with one connection, as the shop writes.
func openSQLite(ctx context.Context, file string) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": sqlitePragmas()}
	db, err := sql.Open("sqlite", file+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var mode int
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&mode); err != nil || mode != 2 {
		return nil, fmt.Errorf("the limit is not as safe as the shop: synchronous is %d instead of 2 (FULL): %w", mode, err)
	}
	return db, nil
}

// sqliteLimit is the bare work on a file for each module.
func (b *bench) sqliteLimit(ctx context.Context) (limit, error) {
	dir, err := os.MkdirTemp(b.dir, "limit.")
	if err != nil {
		return nil, err
	}
	l := &bareSQL{pools: map[string]*sql.DB{}, what: "bare SQL, same driver and pragmas, a file per module"}
	for module := range schema() {
		db, err := openSQLite(ctx, filepath.Join(dir, module+".db"))
		if err != nil {
			return nil, err
		}
		l.pools[module] = db
		l.closers = append(l.closers, db.Close)
	}
	return l, l.prepare(ctx, false)
}
