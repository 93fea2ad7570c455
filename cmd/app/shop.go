package main

import (
	"context"
	"crypto/rand"
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
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
)

// part is what a module hands to the shop.
type part struct {
	serve    func(*port.Server)
	outbox   *event.Outbox
	consumer *event.Consumer
	tasks    []run.Task
	checks   []audit.Check
	health   []health.Check
	sagas    *saga.Engine
	inherit  func(ctx context.Context) error // nil: nothing is claimed for long
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

	cluster   *database.Cluster
	databases map[string]*database.DB
	contracts contracts
	bus       *event.Bus
	sagas     *saga.Engine
	provider  paymentsmodule.Provider
	psp       *provider
	tasks     []run.Task
	checks    []audit.Check
	heirs     []func(ctx context.Context) error
	probes    []health.Check // of what modules depend on
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

// wire builds the modules and routes their calls and events.
func (s *shop) wire(ctx context.Context) error {
	signer, err := newSigner()
	if err != nil {
		return err
	}
	observed := port.WithTelemetry(port.Telemetry{Registerer: s.metrics, Tracer: s.tracer, Logger: s.log})
	conns := map[string]*port.Conn{}
	s.contracts = connect(func(name string) *port.Conn {
		conns[name] = port.NewConn(name, observed, port.WithSigner(signer))
		return conns[name]
	})
	for _, m := range modules {
		db, err := s.cluster.Module(ctx, m.name, m.weight)
		if err != nil {
			return fmt.Errorf("open the data of %s: %w", m.name, err)
		}
		s.databases[m.name] = db
		if err := db.Migrate(ctx, m.migrations()...); err != nil {
			return fmt.Errorf("migrate %s: %w", m.name, err)
		}
		p, err := m.build(s, db)
		if err != nil {
			return fmt.Errorf("build %s: %w", m.name, err)
		}
		server := port.NewServer(m.name, observed, port.WithSigner(signer))
		p.serve(server)
		if share := s.cfg.Ports.LoopbackSample; share > 0 {
			conns[m.name].Loopback(server, share)
		} else {
			conns[m.name].Direct(server)
		}
		s.add(p)
	}
	s.bus.Retention(s.cfg.Events.Retention)
	s.checks = append(s.checks, s.bus.Checks()...)
	s.tasks = append(s.bus.Tasks(), s.tasks...)
	return nil
}

func (s *shop) add(p part) {
	if p.outbox != nil {
		s.bus.Source(p.outbox)
	}
	if p.consumer != nil {
		s.bus.Subscribe(p.consumer)
	}
	s.tasks = append(s.tasks, p.tasks...)
	s.checks = append(s.checks, p.checks...)
	s.probes = append(s.probes, p.health...)
	if p.sagas != nil {
		s.sagas = p.sagas
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
	if s.cluster != nil {
		if err := s.cluster.Close(); err != nil {
			s.log.Warn("close the database", "error", err)
		}
	}
}

// newSigner vouches for principals that cross a wire. In one process a key of
// its own is enough.
func newSigner() (port.Signer, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return port.NewHMACSigner(key)
}

func moduleNames() []string {
	names := make([]string, len(modules))
	for i, m := range modules {
		names[i] = m.name
	}
	return names
}
