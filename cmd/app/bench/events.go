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

// measureEvents compares commit to effect with the rate of the bare transaction
// that publishes: a row of business and a row of the outbox.
func measureEvents(ctx context.Context, b *bench) (err error) {
	if b.postgres == "" {
		return nil
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	l, dropLimit, err := b.twoRows(ctx)
	if err != nil {
		return err
	}
	defer dropLimit()
	p, err := openPipe(ctx, address, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	var ours, limit figures
	n, rounds := b.pick(1000, 6000, 20000), b.pick(1, 4, 10)
	for round := range 1 + rounds {
		b.progress.say("PostgreSQL, round %d of %d", round, rounds)
		took, err := p.throughput(ctx, n)
		if err != nil {
			return err
		}
		bare, err := l(ctx)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, limit = append(ours, rate(n, took)), append(limit, bare)
		}
	}
	b.add(Row{
		Area: "events", What: "PostgreSQL, commit to effect, 16 writers", Unit: "events/s", Ours: ours.median(), Limit: limit.median(),
		Ratio: paired(ours, limit).median(), Is: "pgbench of the two-row transaction", Bar: ratioAtLeast(0.75),
	})
	at300, err := p.latency(ctx, b.pick(300, 1500, 6000))
	if err != nil {
		return err
	}
	b.add(Row{Area: "events", What: "PostgreSQL, lag at 300 events/s, p50", Unit: "ms", Ours: at300.quantile(.5), Bar: oursAtMost(6.5)},
		Row{Area: "events", What: "PostgreSQL, lag at 300 events/s, p99", Unit: "ms", Ours: at300.quantile(.99)})
	return nil
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
