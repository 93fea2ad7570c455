package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// writers of events at the same time.
const writers = 16

// measureEvents is of events between two modules of one process.
func measureEvents(ctx context.Context, b *bench) error {
	if b.postgres == "" {
		return nil
	}
	return b.compare(ctx, "events", b.carriers(ctx, ""), ratioAtLeast(0.75))
}

// twoRows prepares the limit: the transaction by pgbench in a database of its own,
// with no relay behind it. It gives transactions a second.
func (b *bench) twoRows(ctx context.Context) (run func(context.Context) (float64, error), drop func(), err error) {
	program := findPgbench()
	if program == "" {
		return nil, nil, errors.New("pgbench is not installed; it comes with PostgreSQL's server or contrib package")
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return nil, nil, err
	}
	pool, err := openPostgres(ctx, address, 1,
		`CREATE TABLE limit_business (id text NOT NULL PRIMARY KEY)`,
		fmt.Sprintf(createOutbox, "events"), fmt.Sprintf(unsent, "events"))
	if err != nil {
		drop()
		return nil, nil, err
	}
	script := filepath.Join(b.dir, "two-rows.sql")
	const text = `\set n random(1, 9000000000000000000)
BEGIN;
INSERT INTO limit_business (id) VALUES (:n::text);
INSERT INTO limit_outbox_events (id, aggregate_id, version, data) VALUES (:n::text, :n::text, 1, '{"order":"0192f0c1-2b1f-7c57-9c46-1d3a5c6f7a81","cents":4550}');
COMMIT;
`
	if err := errors.Join(os.WriteFile(script, []byte(text), 0o600), pool.Close()); err != nil {
		drop()
		return nil, nil, err
	}
	about := time.Duration(b.pick(1, 2, 4)) * time.Second
	return func(ctx context.Context) (float64, error) {
		w, err := runPgbench(ctx, program, address, script, writers, about)
		return rate(w.n, w.took), err
	}, drop, nil
}
