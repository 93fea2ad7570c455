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
	what  string
	do    func(n int64) error
	bar   *Bar
	most  float64 // allocations
	limit limitCall
}

// limitCall is the least that does the same.
type limitCall struct {
	is string
	do func(n int64) error
}

// measureCalls compares a call between modules of one process with a call
// through an interface.
func measureCalls(ctx context.Context, b *bench) error {
	ways, stop := callWays(ctx)
	defer stop()
	const rounds = 9
	times, limits := make([]figures, len(ways)), make([]figures, len(ways))
	for range rounds {
		for i, w := range ways {
			limits[i] = append(limits[i], nanoseconds(w.limit.do))
			times[i] = append(times[i], nanoseconds(w.do))
		}
	}
	for i, w := range ways {
		var failed error
		allocs := testing.AllocsPerRun(1000, func() { failed = errors.Join(failed, w.do(1<<40)) })
		if failed != nil {
			return failed
		}
		b.add(Row{Area: "calls", What: w.what, Unit: "ns", Ours: times[i].median(), Limit: limits[i].median(), Is: w.limit.is, Bar: w.bar},
			Row{Area: "calls", What: w.what + ", allocations", Unit: "allocs", Ours: allocs, Bar: oursAtMost(w.most)})
	}
	return nil
}

func callWays(ctx context.Context) (ways []call, stop func()) {
	var through adder = one{}
	direct := limitCall{"direct call through an interface", func(n int64) error {
		_, err := through.add(ctx, n)
		return err
	}}
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
	// Whose deadline is tighter cannot be known without the clock.
	compared := limitCall{"direct call that compares two deadlines", func(n int64) error {
		if theirs, ok := std.Deadline(); !ok || time.Until(theirs) > 2*time.Hour {
			return context.DeadlineExceeded
		}
		_, err := through.add(std, n)
		return err
	}}
	way := func(limit limitCall, what string, ctx context.Context, m *port.Method[int64, int64], c *port.Conn, bar float64, most float64) call {
		return call{what: what, limit: limit, bar: oursAtMost(bar), most: most, do: func(n int64) error {
			_, err := m.Call(ctx, c, n)
			return err
		}}
	}
	return []call{
			way(direct, "bare", ctx, unbounded, bare, 20, 0),
			way(direct, "bare, under a caller's deadline", ours, bounded, bare, 20, 0),
			way(compared, "bare, under a deadline of package context", std, bounded, bare, 20, 0),
			way(direct, "with span and metric", ctx, unbounded, observed, 200, 1),
			way(direct, "with span, metric and fresh deadline", ctx, bounded, observed, 200, 1),
		}, func() {
			cancelOurs()
			cancelStd()
		}
}

// nanoseconds of processor time of one call, over so many that looking at the clock
// costs nothing.
func nanoseconds(do func(int64) error) float64 {
	const calls = 1_000_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime()
	for i := range int64(calls) {
		if err := do(i); err != nil {
			return 1e9 // a refusal is no call; it must not look fast
		}
	}
	return float64((threadTime() - start).Nanoseconds()) / calls
}
