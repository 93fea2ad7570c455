package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/rabbit"
)

// happening is the event that is published.
type happening struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

// pipe is one module that publishes, one that consumes, and a running bus.
type pipe struct {
	source, target *database.DB
	outbox         *event.Outbox
	consumer       *event.Consumer
	bus            *event.Bus
	kind           *event.Type[happening]
	applied        atomic.Int64
	lags           lags
	carried        bool // by a broker
	stop           func() error
}

// newPipe makes two modules of a cluster as the shop makes its modules, with a bus
// and a consumer that nothing joins yet.
func newPipe(ctx context.Context, address string) (*pipe, error) {
	quiet := slog.New(slog.DiscardHandler)
	cluster, err := database.Open(ctx, database.Config{URL: address, Pool: 45, Logger: quiet})
	if err != nil {
		return nil, err
	}
	p := &pipe{kind: event.Define[happening]("source.thing", "source.happened"), stop: cluster.Close}
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
	p.consumer = event.NewConsumer(p.target, clock.System)
	event.On(p.consumer, p.kind, p.apply)
	return p, nil
}

// openPipe joins the modules, in the process or by a broker, and starts what they need.
func openPipe(ctx context.Context, address, broker string) (*pipe, error) {
	p, err := newPipe(ctx, address)
	if err != nil {
		return nil, err
	}
	p.bus.Source(p.outbox)
	var links []*rabbit.Broker
	if broker == "" {
		p.bus.Subscribe(p.consumer)
	} else if links, err = p.carry(broker); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	stopLinks, err := runLinks(ctx, links...)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	stopBus, closePipe := runBus(ctx, p.bus), p.stop
	p.stop = func() error {
		stopBus()
		stopLinks()
		return closePipe()
	}
	return p, nil
}

// runLinks connects brokers and waits until they are.
func runLinks(ctx context.Context, links ...*rabbit.Broker) (stop func(), err error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	stop = func() { cancel(); tasks.Wait() }
	for _, link := range links {
		for _, task := range link.Tasks() {
			tasks.Go(func() { _ = task.Run(running) })
			if err := task.Ready(ctx); err != nil {
				stop()
				return nil, err
			}
		}
	}
	return stop, nil
}

// runBus starts the relay and what else the bus does.
func runBus(ctx context.Context, bus *event.Bus) (stop func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	for _, task := range bus.Tasks() {
		tasks.Go(func() { _ = task.Run(running) })
	}
	return func() { cancel(); tasks.Wait() }
}

// carry puts a broker between the modules, with a connection pair for each.
func (p *pipe) carry(address string) ([]*rabbit.Broker, error) {
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
	there.Consume(p.consumer)
	p.bus.Attend(p.consumer)
	p.bus.Sink(here.Sink())
	return []*rabbit.Broker{there, here}, nil
}

// apply is the effect: a row.
func (p *pipe) apply(ctx context.Context, m event.Meta, _ happening) error {
	if err := p.target.Later(ctx).Exec(`INSERT INTO bench_effects (id) VALUES (?)`, m.AggregateID).Error; err != nil {
		return err
	}
	p.target.AfterCommit(ctx, func() {
		p.lags.add(time.Since(m.Time))
		p.applied.Add(1)
	})
	return nil
}
