package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

func ids() context.Context {
	return WithRequestID(WithTraceParent(context.Background(), parent), "req-1")
}

func line(t *testing.T, write func(*slog.Logger)) map[string]any {
	t.Helper()
	var b bytes.Buffer
	log, err := NewLogger(&b, LogOptions{})
	require.NoError(t, err)
	write(log)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &m))
	return m
}

func TestLogHasIDsOnTopWhateverTheGroups(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*slog.Logger) *slog.Logger{
		"plain": func(l *slog.Logger) *slog.Logger { return l },
		"attrs": func(l *slog.Logger) *slog.Logger { return l.With("a", 1) },
		"group": func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := line(t, func(l *slog.Logger) { with(l).InfoContext(ids(), "hello", "k", "v") })
			require.Equal(t, "0af7651916cd43dd8448eb211c80319c", m["trace_id"])
			require.Equal(t, "b7ad6b7169203331", m["span_id"])
			require.Equal(t, "req-1", m["request_id"])
			if name == "group" {
				require.EqualValues(t, 1, m["a"])
				require.Equal(t, map[string]any{"b": 2.0, "h": map[string]any{"k": "v"}}, m["g"])
			} else {
				require.Equal(t, "v", m["k"])
			}
		})
	}
	m := line(t, func(l *slog.Logger) { l.Info("hello") })
	require.NotContains(t, m, "trace_id")
}

func TestLogHidesSecrets(t *testing.T) {
	t.Parallel()
	m := line(t, func(l *slog.Logger) {
		l.With("Authorization", "Bearer x").Info("m", "password", "x", "refresh_token", "x", "fine", "y",
			slog.Group("body", "client-secret", "x", "name", "y"), slog.Group("tokens", "a", "x"))
	})
	require.Equal(t, Redacted, m["Authorization"])
	require.Equal(t, Redacted, m["password"])
	require.Equal(t, Redacted, m["refresh_token"])
	require.Equal(t, "y", m["fine"])
	require.Equal(t, map[string]any{"client-secret": Redacted, "name": "y"}, m["body"])
	require.Equal(t, map[string]any{"a": Redacted}, m["tokens"])
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := NewLogger(&b, LogOptions{Level: "warn", Format: "text"})
	require.NoError(t, err)
	log.Info("quiet")
	log.Warn("loud")
	require.NotContains(t, b.String(), "quiet")
	require.Contains(t, b.String(), "msg=loud")
	_, err = NewLogger(&b, LogOptions{Level: "shout"})
	require.Error(t, err)
	_, err = NewLogger(&b, LogOptions{Format: "xml"})
	require.Error(t, err)
}

func TestTraceWithoutExport(t *testing.T) {
	t.Parallel()
	ctx := EnsureTrace(context.Background())
	id := TraceID(ctx)
	require.Len(t, id, 32)
	require.Equal(t, id, TraceID(EnsureTrace(ctx)), "kept where there is one")
	require.False(t, trace.SpanContextFromContext(ctx).IsSampled())
	require.NotEqual(t, id, TraceID(EnsureTrace(context.Background())))

	require.Equal(t, parent, TraceParent(WithTraceParent(context.Background(), parent)))
	require.Empty(t, TraceParent(context.Background()))
	require.Empty(t, TraceID(WithTraceParent(context.Background(), "rubbish")))
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{}, false},
		{map[string]string{"OTEL_SERVICE_NAME": "x"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "console"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, false},
		{map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, false},
	} {
		require.Equal(t, c.want, exportWanted(func(name string) string { return c.env[name] }), c.env)
	}
}

// Not parallel: the variables are the process's.
func TestTracingExportsWhereTheVariablesSay(t *testing.T) {
	off, err := NewTracing(t.Context(), "banyan", Build{})
	require.NoError(t, err)
	require.False(t, off.Enabled)
	ctx, span := off.Provider.Tracer("x").Start(WithTraceParent(t.Context(), parent), "work")
	require.Equal(t, parent, TraceParent(ctx), "context passes through when nothing is exported")
	span.End()
	require.NoError(t, off.Shutdown(t.Context()))

	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			posts.Add(1)
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	on, err := NewTracing(t.Context(), "banyan", Build{Version: "v1"})
	require.NoError(t, err)
	require.True(t, on.Enabled)
	_, span = on.Provider.Tracer("x").Start(t.Context(), "work")
	require.True(t, span.SpanContext().IsSampled())
	span.End()
	_, span = on.Provider.Tracer("x").Start(WithTraceParent(t.Context(), parent), "work")
	require.False(t, span.SpanContext().IsSampled(), "an unsampled parent decides")
	span.End()
	require.NoError(t, on.Shutdown(t.Context()))
	require.EqualValues(t, 1, posts.Load())
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	registry := NewRegistry(ReadBuild())
	families, err := registry.Gather()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	require.True(t, names["banyan_build_info"])
	require.True(t, names["go_goroutines"])
}
