package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
)

// shop is every module of this process, wired together. Nothing of it runs
// until its tasks do, so commands can use the contracts beside a running server.
type shop struct {
	*host.Host
	cfg     config.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	tracer  trace.Tracer
	now     clock.Clock
	newID   id.Source
	shopURL string // of this process's own addresses; empty for a command
	opsURL  string
	serves  bool // it is a server; else a command beside one
	looks   bool // it is for a shop that is there: nothing is begun where there is none

	contracts contracts
	provider  paymentsmodule.Provider
	psp       *provider
}

// shopOption says what kind of process it is.
type shopOption func(*shop)

func looking(s *shop) { s.looks = true }

// openShop opens the data of every module, brings it up to date, and wires the
// modules. The caller closes it.
func openShop(ctx context.Context, cfg config.Config, log *slog.Logger, opts ...shopOption) (_ *shop, err error) {
	s := &shop{
		cfg: cfg, log: log, metrics: prometheus.NewRegistry(), tracer: noop.NewTracerProvider().Tracer("banyan"),
		now: clock.System, newID: id.V7,
	}
	for _, opt := range opts {
		opt(s)
	}
	if s.Host, err = host.Open(ctx, host.Deps{Config: cfg, Log: log, Metrics: s.metrics, Tracer: s.tracer, Existing: s.looks}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := s.openProvider(ctx); err != nil {
		return nil, fmt.Errorf("open the payment sandbox: %w", err)
	}
	return s, s.wire(ctx)
}

// close gives back what the shop holds open.
func (s *shop) close() {
	if s.psp != nil {
		s.psp.close()
	}
	s.Close()
}

func moduleNames() []string {
	names := make([]string, len(modules))
	for i, m := range modules {
		names[i] = m.name
	}
	return names
}
