package main

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/port"
)

// adder is what a contract is without a port.
type adder interface {
	add(ctx context.Context, n int64) (int64, error)
}

type one struct{}

//go:noinline
func (one) add(_ context.Context, n int64) (int64, error) { return n + 1, nil }

// call is one way to reach the same function.
type call struct {
	what string
	do   func(n int64) error
	bar  *Bar
	most float64 // allocations
}

// measureCalls compares a call between modules of one process with a call
// through an interface.
func measureCalls(ctx context.Context, b *bench) error {
	ways, direct, stop := callWays(ctx)
	defer stop()
	const rounds = 15
	times, limits := make([]figures, len(ways)), figures{}
	for range rounds {
		limits = append(limits, nanoseconds(direct))
		for i, w := range ways {
			times[i] = append(times[i], nanoseconds(w.do))
		}
	}
	for i, w := range ways {
		var failed error
		allocs := testing.AllocsPerRun(1000, func() { failed = errors.Join(failed, w.do(1<<40)) })
		if failed != nil {
			return failed
		}
		b.add(Row{Area: "calls", What: w.what, Unit: "ns", Ours: times[i].median(), Limit: limits.median(), Is: "direct call through an interface", Bar: w.bar},
			Row{Area: "calls", What: w.what + ", allocations", Unit: "allocs", Ours: allocs, Bar: oursAtMost(w.most)})
	}
	return nil
}

func callWays(ctx context.Context) (ways []call, direct func(int64) error, stop func()) {
	var through adder = one{}
	direct = func(n int64) error {
		_, err := through.add(ctx, n)
		return err
	}
	handler := func(ctx context.Context, n int64) (int64, error) { return through.add(ctx, n) }
	unbounded := port.Query[int64, int64]("tally.unbounded", port.Deadline(0))
	bounded := port.Query[int64, int64]("tally.bounded", port.Deadline(2*time.Hour))
	server := port.NewServer("tally")
	unbounded.Handle(server, handler)
	bounded.Handle(server, handler)
	bare := port.NewConn("tally")
	observed := port.NewConn("tally", port.WithTelemetry(port.Telemetry{
		Registerer: prometheus.NewRegistry(), Tracer: noop.NewTracerProvider().Tracer(""),
	}))
	bare.Direct(server)
	observed.Direct(server)
	ours, cancelOurs := port.WithTimeout(ctx, time.Hour)
	std, cancelStd := context.WithTimeout(ctx, time.Hour)
	way := func(what string, ctx context.Context, m *port.Method[int64, int64], c *port.Conn, bar float64, most float64) call {
		return call{what: what, bar: oursAtMost(bar), most: most, do: func(n int64) error {
			_, err := m.Call(ctx, c, n)
			return err
		}}
	}
	return []call{
			way("bare", ctx, unbounded, bare, 20, 0),
			way("bare, under a caller's deadline", ours, bounded, bare, 20, 0),
			way("bare, under a deadline of package context", std, bounded, bare, 20, 0),
			way("with span and metric", ctx, unbounded, observed, 200, 1),
			way("with span, metric and fresh deadline", ctx, bounded, observed, 200, 1),
		}, direct, func() {
			cancelOurs()
			cancelStd()
		}
}

// nanoseconds of one call, over enough of them that looking at the clock costs nothing.
func nanoseconds(do func(int64) error) float64 {
	const calls = 400_000
	runtime.Gosched()
	start := time.Now()
	for i := range int64(calls) {
		if err := do(i); err != nil {
			return 1e9 // a refusal is no call; it must not look fast
		}
	}
	return float64(time.Since(start).Nanoseconds()) / calls
}
