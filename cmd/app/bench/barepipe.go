package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbitlimit"
)

// barePipe is the least that carries an event from a transaction to its effect, over
// RabbitMQ or in the process, and loses none: an outbox, a relay and an inbox by hand,
// in the best known way. A crash anywhere delivers again, and the inbox knows what came
// before.
type barePipe struct {
	source        *pgxpool.Pool
	relay, target *pgx.Conn
	carry         func(context.Context, [][]byte) error // gives back when they have arrived
	wake          chan struct{}                         // raised by a commit
	causes        atomic.Int64
	applied       atomic.Int64
	lags          lags
	life          context.Context //nolint:containedctx // ends with the first error of the relay or the inbox, and tells it
	stop          func() error
}

// bareNews is what is in the outbox and on the way.
type bareNews struct {
	happening
	At time.Time `json:"at"` // recorded
}

const (
	bareQueue  = "bench.bare"
	bareAtOnce = 256 // events that travel, or are applied, together
)

// openBarePipe makes the tables and starts the relay and the inbox. Without a broker
// the relay hands over what it read.
func openBarePipe(ctx context.Context, address, broker string) (p *barePipe, err error) {
	p = &barePipe{wake: make(chan struct{}, 1)}
	var closers []func() error
	defer func() {
		if err != nil {
			for _, c := range closers {
				err = errors.Join(err, c())
			}
		}
	}()
	if err = p.makeTables(ctx, address); err != nil {
		return nil, err
	}
	if p.source, err = pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", address, writers)); err != nil {
		return nil, err
	}
	closers = append(closers, func() error { p.source.Close(); return nil })
	// A mark that a crash forgets makes an event come twice, which the inbox knows.
	if p.relay, err = pgx.Connect(ctx, address+"&synchronous_commit=off"); err != nil {
		return nil, err
	}
	closers = append(closers, func() error { return p.relay.Close(context.WithoutCancel(ctx)) })
	if p.target, err = pgx.Connect(ctx, address); err != nil {
		return nil, err
	}
	closers = append(closers, func() error { return p.target.Close(context.WithoutCancel(ctx)) })
	if broker == "" {
		p.carry = p.apply
		p.run(ctx, closers, p.relayAll)
		return p, nil
	}
	out, err := rabbitlimit.NewPublisher(broker, bareQueue)
	if err != nil {
		return nil, err
	}
	p.carry = func(ctx context.Context, bodies [][]byte) error {
		return out.Publish(ctx, len(bodies), func(i int) []byte { return bodies[i] })
	}
	p.run(ctx, append(closers, out.Close), p.relayAll, func(ctx context.Context) error {
		return rabbitlimit.Take(ctx, broker, bareQueue, bareAtOnce, func(bodies [][]byte) error { return p.apply(ctx, bodies) })
	})
	return p, nil
}

func (p *barePipe) makeTables(ctx context.Context, address string) error {
	pool, err := openPostgres(ctx, address, 1,
		`CREATE TABLE limit_business (id text NOT NULL PRIMARY KEY)`,
		fmt.Sprintf(createOutbox, "events"), fmt.Sprintf(unsent, "events"),
		`CREATE TABLE limit_inbox (id text NOT NULL PRIMARY KEY)`,
		`CREATE TABLE limit_effects (id text NOT NULL PRIMARY KEY)`)
	if err != nil {
		return err
	}
	return pool.Close()
}

// run starts the loops; stop ends them and gives their errors.
func (p *barePipe) run(ctx context.Context, closers []func() error, all ...func(context.Context) error) {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	p.life = life
	var loops sync.WaitGroup
	for _, do := range all {
		loops.Go(func() {
			if err := do(life); err != nil && life.Err() == nil {
				end(fmt.Errorf("the bare pipeline: %w", err))
			}
		})
	}
	p.stop = func() error {
		end(nil)
		loops.Wait()
		var errs []error
		if cause := context.Cause(life); !errors.Is(cause, context.Canceled) {
			errs = append(errs, cause)
		}
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
}

// publish is the transaction: a row of business and its event. Statements of one
// batch are one transaction and one round trip.
func (p *barePipe) publish(ctx context.Context) error {
	key := id.V7()
	raw, err := json.Marshal(bareNews{happening{Order: key, Cents: 4550}, time.Now()})
	if err != nil {
		return err
	}
	var both pgx.Batch
	both.Queue(`INSERT INTO limit_business (id) VALUES ($1)`, key)
	both.Queue(`INSERT INTO limit_outbox_events (id, aggregate_id, version, data) VALUES ($1, $1, 1, $2)`, key, string(raw))
	if err := p.source.SendBatch(ctx, &both).Close(); err != nil {
		return err
	}
	p.causes.Add(1)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return nil
}

// apply writes what is new into the inbox and its effect beside it. One statement
// is one transaction.
func (p *barePipe) apply(ctx context.Context, bodies [][]byte) error {
	news, keys := make([]bareNews, len(bodies)), make([]string, len(bodies))
	for i, raw := range bodies {
		if err := json.Unmarshal(raw, &news[i]); err != nil {
			return err
		}
		keys[i] = news[i].Order
	}
	done, err := p.target.Exec(ctx, `WITH fresh AS (
		INSERT INTO limit_inbox (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING id
	) INSERT INTO limit_effects (id) SELECT id FROM fresh`, keys)
	if err != nil {
		return err
	}
	took := make([]time.Duration, len(news))
	for i, n := range news {
		took[i] = time.Since(n.At)
	}
	p.lags.add(took...)
	p.applied.Add(done.RowsAffected())
	return nil
}
