package port_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/banyan-tree/banyan/internal/port"
)

// count sums the samples of a metric family by way and code.
func count(t *testing.T, r *prometheus.Registry, family string) map[string]int {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	counts := map[string]int{}
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label += l.GetValue() + " "
			}
			counts[label] += int(m.GetHistogram().GetSampleCount()) + int(m.GetCounter().GetValue())
		}
	}
	return counts
}

func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	both := port.WithTelemetry(port.Telemetry{Registerer: r})
	answer := func(_ context.Context, name string) (tally, error) {
		if name == "full" {
			return tally{}, full
		}
		return tally{}, nil
	}
	s, c := port.NewServer("tally", both), port.NewConn("tally", both)
	handlers{read: answer}.register(s)
	for _, route := range []func(){func() { c.Direct(s) }, func() { c.Loopback(s, 1) }} {
		route()
		for _, name := range []string{"a", "b", "full"} {
			_, _ = read.Call(t.Context(), c, name)
		}
	}
	require.Equal(t, map[string]int{"read tally direct ": 3, "read tally loopback ": 3}, count(t, r, "port_call_duration_seconds"))
	require.Equal(t, map[string]int{"tally.full read tally direct ": 1, "tally.full read tally loopback ": 1}, count(t, r, "port_call_faults_total"))
}

func TestSpansAreOfOneTrace(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer := provider.Tracer("test")
	both := port.WithTelemetry(port.Telemetry{Tracer: tracer})
	s, c := port.NewServer("tally", both), port.NewConn("tally", both)
	handlers{read: reader}.register(s)
	c.Direct(s)

	_, err := read.Call(t.Context(), c, "a")
	require.NoError(t, err)
	require.Empty(t, exporter.GetSpans(), "no trace begins here")

	ctx, root := tracer.Start(t.Context(), "root")
	_, err = read.Call(ctx, c, "a")
	require.NoError(t, err)
	spans := exporter.GetSpans()
	require.Len(t, spans, 1)
	require.Equal(t, "tally.read", spans[0].Name)
	require.Equal(t, root.SpanContext().SpanID(), spans[0].Parent.SpanID())

	exporter.Reset()
	c.Loopback(s, 1)
	_, err = read.Call(ctx, c, "a")
	require.NoError(t, err)
	spans = exporter.GetSpans()
	require.Len(t, spans, 2, "the server's and the caller's")
	require.Equal(t, trace.SpanKindServer, spans[0].SpanKind)
	require.Equal(t, trace.SpanKindClient, spans[1].SpanKind)
	require.Equal(t, spans[1].SpanContext.SpanID(), spans[0].Parent.SpanID())
	require.Equal(t, root.SpanContext().TraceID(), spans[0].SpanContext.TraceID())
}

func TestPanicsAreLoggedWithTheirStack(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := port.NewConn("tally", port.WithTelemetry(port.Telemetry{Logger: slog.New(slog.NewTextHandler(&log, nil))}))
	s := port.NewServer("tally")
	handlers{read: outOfInk}.register(s)
	for _, route := range []func(){func() { c.Direct(s) }, func() { c.Loopback(s, 1) }} {
		log.Reset()
		route()
		_, err := read.Call(t.Context(), c, "a")
		require.Error(t, err)
		require.Contains(t, log.String(), "out of ink")
		require.Contains(t, log.String(), "outOfInk", "where it happened")
	}
}

func outOfInk(context.Context, string) (tally, error) { panic("out of ink") }
