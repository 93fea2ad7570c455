package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/id"
)

// put is the event that is appended; total is the state that it makes.
type put struct {
	DepositID string `json:"deposit_id"`
	Amount    int64  `json:"amount"`
}

type total struct {
	Amount int64 `json:"amount"`
}

// ledger is the event store as a module uses it, with its outbox.
type ledger struct {
	db      *database.DB
	types   *eventstore.Registry
	store   *eventstore.Store
	streams *eventstore.Streams[total]
	outbox  *event.Outbox
	told    *event.Type[put]
	hot     string
}

const snapshotEvery = 100

func addUp(every int) eventstore.Fold[total] {
	return eventstore.Fold[total]{Schema: 1, Every: every, Apply: func(t total, r eventstore.Recorded) (total, error) {
		return total{t.Amount + r.Event.(put).Amount}, nil
	}}
}

// measureStreams compares appends to streams, each with its outbox row, with the
// same two inserts in bare SQL; a hot stream with a stream that has one writer; and
// the ways to read a long stream with each other.
func measureStreams(ctx context.Context, b *bench) error {
	if err := b.streamsOn(ctx, "SQLite", database.Config{Dir: filepath.Join(b.dir, "streams")}, func() (*sql.DB, error) {
		return openSQLite(ctx, filepath.Join(b.dir, "streams-bare.db"))
	}); err != nil {
		return err
	}
	if b.postgres == "" {
		return nil
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	bare, dropBare, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer dropBare()
	return b.streamsOn(ctx, "PostgreSQL", database.Config{URL: address, Pool: 45}, func() (*sql.DB, error) { return openPostgres(ctx, bare, 16) })
}

func (b *bench) streamsOn(ctx context.Context, name string, cfg database.Config, open func() (*sql.DB, error)) (err error) {
	l, closeLedger, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLedger()) }()
	bare, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	if err := bareStreams(ctx, bare); err != nil {
		return err
	}
	span := time.Duration(b.pick(300, 1500, 4000)) * time.Millisecond
	rounds := b.pick(1, 4, 9)
	writers := []int{1, 16, 64}
	own, limit := make([]figures, len(writers)), make([]figures, len(writers))
	var hot figures
	for round := range 1 + rounds {
		for i, n := range writers {
			b.progress.say("%s, streams, %d writers, round %d of %d", name, n, round, rounds)
			ours, err := appending(ctx, n, span, func(ctx context.Context, w int) error { return l.append(ctx, fmt.Sprint("own", w)) })
			if err != nil {
				return err
			}
			theirs, err := appending(ctx, n, span, func(ctx context.Context, w int) error { return bareAppend(ctx, bare, fmt.Sprint("own", w, id.V7())) })
			if err != nil {
				return err
			}
			if round > 0 {
				own[i], limit[i] = append(own[i], ours), append(limit[i], theirs)
			}
		}
		h, err := appending(ctx, 64, span, func(ctx context.Context, _ int) error { return l.append(ctx, l.hot) })
		if err != nil {
			return err
		}
		if round > 0 {
			hot = append(hot, h)
		}
	}
	for i, n := range writers {
		b.add(Row{
			Area: "streams", What: fmt.Sprintf("%s, append with its outbox row, own streams, %d writers", name, n), Unit: "appends/s",
			Ours: own[i].median(), Limit: limit[i].median(), Ratio: paired(own[i], limit[i]).median(),
			Is: "the same inserts in bare SQL, one statement a round trip", Bar: ratioAtLeast(0.8),
		})
	}
	b.add(Row{
		Area: "streams", What: name + ", one hot stream, 64 writers", Unit: "appends/s", Ours: hot.median(), Limit: own[0].median(),
		Ratio: paired(hot, own[0]).median(), Is: "a stream with one writer", Bar: ratioAtLeast(0.8),
	})
	return b.reading(ctx, name, l)
}

func openLedger(ctx context.Context, cfg database.Config) (*ledger, func() error, error) {
	cfg.Logger = slog.New(slog.DiscardHandler)
	cluster, err := database.Open(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	l := &ledger{told: event.Define[put]("bench.ledger", "bench.put"), hot: "hot"}
	if l.db, err = cluster.Module(ctx, "ledger", 16); err != nil {
		return nil, nil, errors.Join(err, cluster.Close())
	}
	if err := l.db.Migrate(ctx, eventstore.Migrations(), event.OutboxMigrations()); err != nil {
		return nil, nil, errors.Join(err, cluster.Close())
	}
	if l.types, err = eventstore.NewRegistry(eventstore.Type[put]("bench.put")); err != nil {
		return nil, nil, errors.Join(err, cluster.Close())
	}
	l.store = eventstore.New(l.db, l.types, clock.System, cfg.Logger)
	l.streams = eventstore.Of(l.store, addUp(snapshotEvery))
	l.outbox = event.NewOutbox(l.db, clock.System, id.V7)
	return l, cluster.Close, nil
}

func (l *ledger) append(ctx context.Context, stream string) error {
	_, err := l.streams.Change(ctx, stream, id.V7(), func(eventstore.Loaded[total]) ([]any, error) {
		return []any{put{DepositID: stream, Amount: 7}}, nil
	}, func(ctx context.Context, c eventstore.Change[total]) error {
		return l.outbox.Publish(ctx, l.told.New(stream, c.Head.Version, put{stream, 7}))
	})
	return err
}

// appending lets writers append for so long, and gives how many a second did.
func appending(ctx context.Context, writers int, span time.Duration, do func(ctx context.Context, writer int) error) (float64, error) {
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for w := range writers {
		group.Go(func() error {
			for time.Since(start) < span {
				if err := do(ctx, w); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return rate(int(done.Load()), time.Since(start)), err
}

// bareStreams makes tables with the columns and indexes that the store has.
func bareStreams(ctx context.Context, db *sql.DB) error {
	for _, text := range []string{
		`CREATE TABLE limit_stream (stream text NOT NULL, version bigint NOT NULL, position text NOT NULL, type text NOT NULL, schema integer NOT NULL,
			recorded_at text NOT NULL, command text NOT NULL, nth integer NOT NULL, data text NOT NULL, PRIMARY KEY (stream, version))`,
		`CREATE UNIQUE INDEX limit_stream_position ON limit_stream (position)`,
		`CREATE UNIQUE INDEX limit_stream_command ON limit_stream (stream, command, nth)`,
		`CREATE TABLE limit_told (id text NOT NULL PRIMARY KEY, topic text NOT NULL, type text NOT NULL, aggregate_id text NOT NULL, version bigint NOT NULL,
			lane integer NOT NULL, recorded_at text NOT NULL, data text NOT NULL, sent_at text, UNIQUE (topic, aggregate_id, version))`,
		`CREATE INDEX limit_told_unsent ON limit_told (lane, id) WHERE sent_at IS NULL`,
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

const (
	bareEvent = `INSERT INTO limit_stream (stream, version, position, type, schema, recorded_at, command, nth, data) VALUES ($1, 1, $2, 'bench.put', 1, $3, $2, 0, '{"deposit_id":"own","amount":7}')`
	bareTold  = `INSERT INTO limit_told (id, topic, type, aggregate_id, version, lane, recorded_at, data) VALUES ($1, 'bench.ledger', 'bench.put', $2, 1, 3, $3, '{"deposit_id":"own","amount":7}')`
)

func bareAppend(ctx context.Context, db *sql.DB, stream string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	now, key := time.Now().UTC().Format(time.RFC3339Nano), id.V7()
	if _, err := tx.ExecContext(ctx, bareEvent, stream, key, now); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if _, err := tx.ExecContext(ctx, bareTold, key, stream, now); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// reading reads a stream of 1,000 events from its start, from a snapshot with a
// tail of half the distance between snapshots, and from the cache.
func (b *bench) reading(ctx context.Context, name string, l *ledger) error {
	const events = 1000
	snapshots, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.store.Snapshots().Run(snapshots) }()
	for range events - snapshotEvery/2 { // one by one, so that there are snapshots
		if err := l.append(ctx, "long"); err != nil {
			stop()
			return errors.Join(err, <-done)
		}
	}
	stop()
	if err := <-done; err != nil {
		return err
	}
	loaded, err := l.streams.Load(ctx, "long")
	if err != nil {
		return err
	}
	head := loaded.Head
	for n := range snapshotEvery / 2 {
		err := l.db.Atomic(ctx, func(ctx context.Context) error {
			recorded, err := l.store.Append(ctx, "long", head, "", put{"tail", int64(n)})
			if err == nil {
				head = recorded[0].Head()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	cached := eventstore.Of(l.store, addUp(snapshotEvery))
	if _, err := cached.Load(ctx, "long"); err != nil {
		return err
	}
	plain := eventstore.Of(l.store, addUp(0)) // without snapshots it folds from the first event
	var fold, snapshot, cache figures
	times := b.pick(5, 30, 100)
	for range b.pick(1, 5, 9) {
		f, err := repeat(times, func() error { _, err := plain.To(ctx, "long", events); return err })
		if err != nil {
			return err
		}
		s, err := repeat(times, func() error { _, err := l.streams.To(ctx, "long", events); return err })
		if err != nil {
			return err
		}
		c, err := repeat(times, func() error { _, err := cached.Load(ctx, "long"); return err })
		if err != nil {
			return err
		}
		fold, snapshot, cache = append(fold, f.median()), append(snapshot, s.median()), append(cache, c.median())
	}
	b.add(
		Row{Area: "streams", What: name + ", 1,000 events, snapshot and a tail of 50", Unit: "ms", Ours: snapshot.median(), Limit: fold.median(),
			Ratio: paired(fold, snapshot).median(), Is: "fold of all; the ratio says how many times faster", Bar: ratioAtLeast(5)},
		Row{Area: "streams", What: name + ", 1,000 events, cached and an empty tail", Unit: "ms", Ours: cache.median(), Limit: fold.median(),
			Ratio: paired(fold, cache).median(), Is: "fold of all; the ratio says how many times faster", Bar: ratioAtLeast(15)},
	)
	return nil
}
