package port_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/port"
)

var unbounded = port.Query[int64, int64]("tally.unbounded", port.Deadline(0))
var bounded = port.Query[int64, int64]("tally.bounded", port.Deadline(3*time.Second))

func echoConn(opts ...port.ConnOption) (*port.Conn, *port.Server) {
	echo := func(_ context.Context, n int64) (int64, error) { return n, nil }
	s, c := port.NewServer("tally"), port.NewConn("tally", opts...)
	unbounded.Handle(s, echo)
	bounded.Handle(s, echo)
	c.Direct(s)
	return c, s
}

func observed() port.ConnOption {
	return port.WithTelemetry(port.Telemetry{Registerer: prometheus.NewRegistry(), Tracer: noop.NewTracerProvider().Tracer("")})
}

// contexts of a caller: without a deadline, with a tighter one of ours, and of others.
func within(tb testing.TB) (ours, others context.Context) {
	ours, cancel := port.WithTimeout(context.Background(), 2*time.Second)
	tb.Cleanup(cancel)
	others, cancel = context.WithDeadline(context.Background(), time.Now().Add(2*time.Second))
	tb.Cleanup(cancel)
	return ours, others
}

// Not parallel: others would be counted, too.
func TestAllocations(t *testing.T) {
	bare, _ := echoConn()
	seen, _ := echoConn(observed())
	ours, others := within(t)
	for _, c := range []struct {
		name   string
		conn   *port.Conn
		method *port.Method[int64, int64]
		ctx    context.Context
		most   float64
	}{
		{"bare, no deadline wanted", bare, unbounded, context.Background(), 0},
		{"bare, our tighter deadline", bare, bounded, ours, 0},
		{"bare, another tighter deadline", bare, bounded, others, 0},
		{"bare, fresh deadline", bare, bounded, context.Background(), 1},
		{"observed, no deadline wanted", seen, unbounded, context.Background(), 0},
		{"observed, fresh deadline", seen, bounded, context.Background(), 1},
	} {
		got := testing.AllocsPerRun(100, func() {
			if n, err := c.method.Call(c.ctx, c.conn, 1<<40); err != nil || n != 1<<40 {
				t.Fatal(n, err)
			}
		})
		require.LessOrEqual(t, got, c.most, c.name)
	}
}

func bench(b *testing.B, ctx context.Context, m *port.Method[int64, int64], c *port.Conn) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Call(ctx, c, 7); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDirectBare(b *testing.B) {
	c, _ := echoConn()
	// The tighter deadlines outlast the benchmark, or what is measured is a refusal.
	ours, cancel := port.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	others, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	patient := port.Query[int64, int64]("tally.patient", port.Deadline(2*time.Hour))
	s := port.NewServer("tally")
	patient.Handle(s, func(_ context.Context, n int64) (int64, error) { return n, nil })
	tight := port.NewConn("tally")
	tight.Direct(s)
	b.Run("unbounded", func(b *testing.B) { bench(b, context.Background(), unbounded, c) })
	b.Run("tighter", func(b *testing.B) { bench(b, ours, patient, tight) })
	b.Run("tighter-std", func(b *testing.B) { bench(b, others, patient, tight) })
	b.Run("fresh-deadline", func(b *testing.B) { bench(b, context.Background(), bounded, c) })
}

func BenchmarkDirectTelemetry(b *testing.B) {
	c, _ := echoConn(observed())
	b.Run("unbounded", func(b *testing.B) { bench(b, context.Background(), unbounded, c) })
	b.Run("fresh-deadline", func(b *testing.B) { bench(b, context.Background(), bounded, c) })
}

func BenchmarkLoopback(b *testing.B) {
	c, s := echoConn()
	c.Loopback(s, 1)
	bench(b, context.Background(), bounded, c)
}
