package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// measureImport compares the import of a product file into SQLite files with bare
// inserts of the very rows that it leaves behind, into tables of the same form.
func measureImport(ctx context.Context, b *bench) error {
	rows := b.pick(2000, 20_000, 100_000)
	csv, err := b.catalogue(rows)
	if err != nil {
		return err
	}
	var ours, limit figures
	left := 0
	for round := range 1 + b.pick(1, 3, 5) {
		b.progress.say("round %d of %d", round, b.pick(1, 3, 5))
		at, err := b.site("SQLite", "")
		if err != nil {
			return err
		}
		if _, err := at.app(ctx, "migrate"); err != nil {
			return err
		}
		start := time.Now()
		if _, err := at.app(ctx, "import", csv); err != nil {
			return err
		}
		took := time.Since(start)
		bare, n, err := b.copyRows(ctx, at, []string{"catalog", "pricing", "inventory"})
		if err != nil {
			return err
		}
		if left = n; left < 3*rows {
			return fmt.Errorf("an import of %d products left %d rows", rows, left)
		}
		if round > 0 {
			ours, limit = append(ours, rate(rows, took)), append(limit, rate(rows, bare))
		}
	}
	b.add(Row{
		Area: "import", What: "SQLite, " + number(float64(rows)) + " products, from the start of the command to its end", Unit: "rows/s",
		Ours: ours.median(), Limit: limit.median(), Ratio: paired(ours, limit).median(), Bar: oursAtLeast(5000),
		Is: fmt.Sprintf("bare inserts of the %s rows it leaves, 500 a transaction", number(float64(left))),
	})
	return nil
}

// copyRows inserts what a shop's files hold into new ones, by one prepared
// statement per table, and gives how long the inserts took and how many there were.
func (b *bench) copyRows(ctx context.Context, at site, modules []string) (took time.Duration, n int, err error) {
	dir, err := os.MkdirTemp(b.dir, "rows.")
	if err != nil {
		return 0, 0, err
	}
	for _, module := range modules {
		d, m, err := copyFile(ctx, filepath.Join(at.data, module+".db"), filepath.Join(dir, module+".db"))
		if err != nil {
			return 0, 0, fmt.Errorf("copy the rows of %s: %w", module, err)
		}
		took, n = took+d, n+m
	}
	return took, n, nil
}

func copyFile(ctx context.Context, from, to string) (took time.Duration, n int, err error) {
	source, err := openSQLite(ctx, from)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openSQLite(ctx, to)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	made, err := texts(ctx, source, `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC`) // tables before indexes
	if err != nil {
		return 0, 0, err
	}
	for _, text := range made {
		if _, err := target.ExecContext(ctx, text); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", text, err)
		}
	}
	tables, err := texts(ctx, source, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`)
	if err != nil {
		return 0, 0, err
	}
	for _, table := range tables {
		columns, rows, err := rowsOf(ctx, source, table)
		if err != nil {
			return 0, 0, err
		}
		start := time.Now()
		if err := insert(ctx, target, table, columns, rows); err != nil {
			return 0, 0, err
		}
		took, n = took+time.Since(start), n+len(rows)
	}
	return took, n, nil
}

func texts(ctx context.Context, db *sql.DB, query string) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

func rowsOf(ctx context.Context, db *sql.DB, table string) (columns []string, list [][]any, err error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table) //nolint:gosec // a name that the database gave
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if columns, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		list = append(list, values)
	}
	return columns, list, rows.Err()
}

// insert writes rows, 500 a transaction.
func insert(ctx context.Context, db *sql.DB, table string, columns []string, rows [][]any) error {
	text := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")" //nolint:gosec // as above
	for len(rows) > 0 {
		part := rows[:min(500, len(rows))]
		rows = rows[len(part):]
		t, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		stmt, err := t.PrepareContext(ctx, text)
		if err != nil {
			return errors.Join(err, t.Rollback())
		}
		for _, values := range part {
			if _, err := stmt.ExecContext(ctx, values...); err != nil {
				return errors.Join(err, stmt.Close(), t.Rollback())
			}
		}
		if err := errors.Join(stmt.Close(), t.Commit()); err != nil {
			return err
		}
	}
	return nil
}
