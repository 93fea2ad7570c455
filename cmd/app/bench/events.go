package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/rabbit"
)

// writers of events at the same time.
const writers = 16

// happening is the event that is published.
type happening struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

// pipe is one module that publishes, one that consumes, and a running bus.
type pipe struct {
	source, target *database.DB
	outbox         *event.Outbox
	bus            *event.Bus
	kind           *event.Type[happening]
	applied        atomic.Int64
	lags           lags
	carried        bool // by a broker
	stop           func() error
}

type lags struct {
	mu   sync.Mutex
	list []time.Duration
}

// measureEvents compares commit to effect with the rate of the bare transaction
// that publishes: a row of business and a row of the outbox.
func measureEvents(ctx context.Context, b *bench) (err error) {
	if b.postgres == "" {
		return nil
	}
	return b.measurePipe(ctx, "events", "PostgreSQL", "", 0.75)
}

// measureBrokerEvents is the same with RabbitMQ between the two modules.
func measureBrokerEvents(ctx context.Context, b *bench) error {
	broker, dropHost, err := virtualHost(ctx)
	if err != nil || broker == "" || b.postgres == "" {
		return err
	}
	defer dropHost()
	return b.measurePipe(ctx, "broker", "events over RabbitMQ", broker, 0.7)
}

func (b *bench) measurePipe(ctx context.Context, area, what, broker string, bar float64) (err error) {
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
	l, err := b.twoRows(ctx, bare)
	if err != nil {
		return err
	}
	p, err := openPipe(ctx, address, broker)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	var ours, limit figures
	n := b.pick(1000, 6000, 20000)
	for round := range 1 + b.pick(1, 4, 10) {
		b.progress.say(what+", round %d of %d", round, b.pick(1, 4, 10))
		took, err := p.throughput(ctx, n)
		if err != nil {
			return err
		}
		w, err := l(ctx, time.Duration(b.pick(1, 2, 4))*time.Second)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, limit = append(ours, rate(n, took)), append(limit, rate(w.n, w.took))
		}
	}
	b.add(Row{
		Area: area, What: what + ", commit to effect, 16 writers", Unit: "events/s", Ours: ours.median(), Limit: limit.median(),
		Ratio: paired(ours, limit).median(), Is: "pgbench of the two-row transaction", Bar: ratioAtLeast(bar),
	})
	at300, err := p.latency(ctx, b.pick(300, 1500, 6000))
	if err != nil {
		return err
	}
	b.add(Row{Area: area, What: what + ", lag at 300 events/s, p50", Unit: "ms", Ours: at300.quantile(.5), Bar: oursAtMost(6.5)},
		Row{Area: area, What: what + ", lag at 300 events/s, p99", Unit: "ms", Ours: at300.quantile(.99)})
	return nil
}

// twoRows prepares the limit: the transaction by pgbench, with no relay behind it.
func (b *bench) twoRows(ctx context.Context, address string) (func(context.Context, time.Duration) (wave, error), error) {
	program := findPgbench()
	if program == "" {
		return nil, errors.New("pgbench is not installed; it comes with PostgreSQL's server or contrib package")
	}
	pool, err := openPostgres(ctx, address, 1,
		`CREATE TABLE limit_business (id text NOT NULL PRIMARY KEY)`,
		fmt.Sprintf(createOutbox, "events"), fmt.Sprintf(unsent, "events"))
	if err != nil {
		return nil, err
	}
	script := filepath.Join(b.dir, "two-rows.sql")
	const text = `\set n random(1, 9000000000000000000)
BEGIN;
INSERT INTO limit_business (id) VALUES (:n::text);
INSERT INTO limit_outbox_events (id, aggregate_id, version, data) VALUES (:n::text, :n::text, 1, '{"order":"0192f0c1-2b1f-7c57-9c46-1d3a5c6f7a81","cents":4550}');
COMMIT;
`
	return func(ctx context.Context, about time.Duration) (wave, error) {
		return runPgbench(ctx, program, address, script, writers, about)
	}, errors.Join(os.WriteFile(script, []byte(text), 0o600), pool.Close())
}

// openPipe wires two modules of a cluster as the shop wires its modules.
func openPipe(ctx context.Context, address, broker string) (*pipe, error) {
	quiet := slog.New(slog.DiscardHandler)
	cluster, err := database.Open(ctx, database.Config{URL: address, Pool: 45, Logger: quiet})
	if err != nil {
		return nil, err
	}
	p := &pipe{kind: event.Define[happening]("source.thing", "source.happened")}
	if p.source, err = cluster.Module(ctx, "source", 16); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	if p.target, err = cluster.Module(ctx, "target", 8); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	err = errors.Join(
		p.source.Migrate(ctx, event.OutboxMigrations()), p.target.Migrate(ctx, event.InboxMigrations()),
		p.source.Atomic(ctx, func(ctx context.Context) error {
			return p.source.Conn(ctx).Exec(`CREATE TABLE bench_business (id text NOT NULL PRIMARY KEY)`).Error
		}),
		p.target.Atomic(ctx, func(ctx context.Context) error {
			return p.target.Conn(ctx).Exec(`CREATE TABLE bench_effects (id text NOT NULL PRIMARY KEY)`).Error
		}))
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	if p.bus, err = event.NewBus(quiet, nil); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	p.outbox = event.NewOutbox(p.source, clock.System, id.V7)
	consumer := event.NewConsumer(p.target, clock.System)
	event.On(consumer, p.kind, p.apply)
	p.bus.Source(p.outbox)
	var links []*rabbit.Broker
	if broker == "" {
		p.bus.Subscribe(consumer)
	} else if links, err = p.carry(broker, consumer); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	for _, link := range links {
		for _, task := range link.Tasks() {
			tasks.Go(func() { _ = task.Run(running) })
			if err := task.Ready(ctx); err != nil {
				cancel()
				tasks.Wait()
				return nil, errors.Join(err, cluster.Close())
			}
		}
	}
	for _, task := range p.bus.Tasks() {
		tasks.Go(func() { _ = task.Run(running) })
	}
	p.stop = func() error {
		cancel()
		tasks.Wait()
		return cluster.Close()
	}
	return p, nil
}

// carry puts a broker between the modules, with a connection pair for each.
func (p *pipe) carry(address string, c *event.Consumer) ([]*rabbit.Broker, error) {
	p.carried = true
	here, err := rabbit.New(rabbit.Config{URL: address})
	if err != nil {
		return nil, err
	}
	there, err := rabbit.New(rabbit.Config{URL: address})
	if err != nil {
		return nil, err
	}
	here.Publish(rabbit.Source{Module: "source", Retention: 24 * time.Hour})
	there.Consume(c)
	p.bus.Attend(c)
	p.bus.Sink(here.Sink())
	return []*rabbit.Broker{there, here}, nil
}

// apply is the effect: a row.
func (p *pipe) apply(ctx context.Context, m event.Meta, _ happening) error {
	if err := p.target.Later(ctx).Exec(`INSERT INTO bench_effects (id) VALUES (?)`, m.AggregateID).Error; err != nil {
		return err
	}
	p.applied.Add(1)
	p.lags.mu.Lock()
	p.lags.list = append(p.lags.list, time.Since(m.Time))
	p.lags.mu.Unlock()
	return nil
}
