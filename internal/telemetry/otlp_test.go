package telemetry

import (
	"compress/gzip"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A collector that is busy at first gets every span once it is not, as the
// variables say: encrypted, compressed, with a key.
func TestSpansReachTheCollector(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var names []string
	refusals := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if refusals++; refusals <= 2 {
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[refusals-1])
			return
		}
		var got tracepb.TracesData
		zipped, err := gzip.NewReader(r.Body)
		if err == nil {
			var body []byte
			if body, err = io.ReadAll(zipped); err == nil {
				err = proto.Unmarshal(body, &got)
			}
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "a, b" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, resource := range got.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					names = append(names, span.Name)
				}
			}
		}
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	c, err := newCollector(env(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL + "/", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%2C%20b", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "60000", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": ca,
	}))
	require.NoError(t, err)
	exporter, err := otlptrace.New(t.Context(), c)
	require.NoError(t, err)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	for _, name := range []string{"first", "second"} {
		_, span := provider.Tracer("x").Start(t.Context(), name)
		span.End()
	}
	require.NoError(t, provider.Shutdown(t.Context()))
	require.Equal(t, []string{"first", "second"}, names)
	require.Equal(t, 3, refusals)
}

// What the collector will never take is not sent again.
func TestSpansThatAreRefused(t *testing.T) {
	t.Parallel()
	posts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts++
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	c, err := newCollector(env(map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL}))
	require.NoError(t, err)
	require.ErrorContains(t, c.UploadTraces(t.Context(), nil), "403")
	require.Equal(t, 1, posts)
}

func TestBadExportSettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
		"OTEL_EXPORTER_OTLP_HEADERS": "novalue", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
		"OTEL_EXPORTER_OTLP_CERTIFICATE": filepath.Join(t.TempDir(), "none.pem"), "OTEL_TRACES_EXPORTER": "zipkin",
	} {
		_, err := newExporter(t.Context(), env(map[string]string{name: value}))
		require.ErrorContains(t, err, "OTEL_", name)
	}
	for _, password := range []string{"se/cret", "12/cret", "12?cret", "12#cret", "se%cret"} {
		_, err := newExporter(t.Context(), env(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:" + password + "@collector:4318"}))
		require.ErrorContains(t, err, "write @ as %40")
		require.NotContains(t, err.Error(), "cret")
	}
	for _, kind := range []string{"", "otlp", "console"} {
		_, err := newExporter(t.Context(), env(map[string]string{"OTEL_TRACES_EXPORTER": kind}))
		require.NoError(t, err)
	}
}

func env(v map[string]string) func(string) string {
	return func(name string) string { return v[name] }
}
