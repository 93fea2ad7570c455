package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
)

// part is what a module hands to the shop.
type part struct {
	serve       func(*port.Server)
	outbox      *event.Outbox
	consumer    *event.Consumer
	tasks       []run.Task
	checks      []audit.Check
	health      []health.Check
	sagas       *saga.Engine
	projections *eventstore.Feed
	inherit     func(ctx context.Context) error // nil: nothing is claimed for long
}

// shop is every module of this process, wired together. Nothing of it runs
// until its tasks do, so commands can use the contracts beside a running server.
type shop struct {
	cfg     config.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	tracer  trace.Tracer
	now     clock.Clock
	newID   id.Source
	shopURL string // of this process's own addresses; empty for a command
	opsURL  string
	serves  bool // it is a server; else a command beside one

	cluster     *database.Cluster
	databases   map[string]*database.DB
	contracts   contracts
	bus         *event.Bus
	broker      *rabbit.Broker // nil: everything stays in this process
	hangUp      func()         // ends the calls of a command; nil: it makes none
	sagas       sagas
	projections []*eventstore.Feed
	provider    paymentsmodule.Provider
	psp         *provider
	tasks       []run.Task
	checks      []audit.Check
	heirs       []func(ctx context.Context) error
	probes      []health.Check // of what modules depend on
}

// shopOption sets what only a server has.
type shopOption func(*shop)

// openShop opens the data of every module, brings it up to date, and wires the
// modules. The caller closes it.
func openShop(ctx context.Context, cfg config.Config, log *slog.Logger, opts ...shopOption) (_ *shop, err error) {
	s := &shop{
		cfg: cfg, log: log, metrics: prometheus.NewRegistry(), tracer: noop.NewTracerProvider().Tracer("banyan"),
		now: clock.System, newID: id.V7, databases: map[string]*database.DB{},
	}
	for _, opt := range opts {
		opt(s)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.bus, err = event.NewBus(log, s.metrics); err != nil {
		return nil, fmt.Errorf("make the event bus: %w", err)
	}
	if s.cluster, err = openCluster(ctx, cfg, log, s.metrics); err != nil {
		return nil, err
	}
	if err := s.openBroker(); err != nil {
		return nil, fmt.Errorf("amqp.url: %w", err)
	}
	if err := s.openProvider(ctx); err != nil {
		return nil, fmt.Errorf("open the payment sandbox: %w", err)
	}
	return s, s.wire(ctx)
}

func openCluster(ctx context.Context, cfg config.Config, log *slog.Logger, metrics prometheus.Registerer) (*database.Cluster, error) {
	cluster, err := database.Open(ctx, database.Config{
		URL: cfg.Database.URL, Dir: cfg.Data.Dir, Pool: cfg.Database.Pool, SingleRole: cfg.Database.SingleRole, Logger: log,
		Guard: database.Guard(cfg.Boundaries.Guard), GuardFile: cfg.Boundaries.File, Metrics: metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return cluster, nil
}

func (s *shop) add(p part) {
	if p.outbox != nil {
		s.publish(p.outbox)
	}
	if p.consumer != nil {
		s.subscribe(p.consumer)
	}
	s.tasks = append(s.tasks, p.tasks...)
	s.checks = append(s.checks, p.checks...)
	s.probes = append(s.probes, p.health...)
	if p.sagas != nil {
		s.sagas = append(s.sagas, p.sagas)
	}
	if p.projections != nil {
		s.projections = append(s.projections, p.projections)
	}
	if p.inherit != nil {
		s.heirs = append(s.heirs, p.inherit)
	}
}

// attend makes this process a server. One that finds no other takes over at once
// what a crash left claimed; beside others, claims lapse in their time.
func (s *shop) attend(ctx context.Context) error {
	return s.cluster.Attend(ctx, func(ctx context.Context) error {
		for _, inherit := range append(s.heirs, s.bus.Inherit) {
			if err := inherit(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// close gives back what the shop holds open.
func (s *shop) close() {
	if s.psp != nil {
		s.psp.close()
	}
	if s.hangUp != nil {
		s.hangUp()
	}
	if s.cluster != nil {
		if err := s.cluster.Close(); err != nil {
			s.log.Warn("close the database", "error", err)
		}
	}
}

func moduleNames() []string {
	names := make([]string, len(modules))
	for i, m := range modules {
		names[i] = m.name
	}
	return names
}
