package web

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/port"
)

// Config is what a Server needs to know. Zero durations and sizes take the defaults.
type Config struct {
	Addr     string       // host:port; port 0 takes a free one
	Listener net.Listener // instead of Addr, for who must know the address before; Shutdown closes it

	ReadHeader time.Duration // to read the headers; 5 s
	Read       time.Duration // to read the whole request; 15 s
	Write      time.Duration // from the end of the headers to the end of the answer; 30 s
	Idle       time.Duration // between requests of one connection; 60 s
	Deadline   time.Duration // of a request's ctx; 15 s
	Grace      time.Duration // for requests in flight at shutdown; 10 s
	Drain      time.Duration // before that, while clients are asked to close their connections; none
	BodyLimit  int64         // bytes; 1 MiB

	Connections int // at a time; more are answered with 503; 4,096

	RateLimit         RateLimit
	Admission         Admission
	TrustedProxies    []netip.Prefix // whose X-Forwarded-For is believed; none
	Verifier          Verifier       // nil refuses every token
	Telemetry         Telemetry
	ValidateResponses bool // hold each answer against the document, for tests
	NoDocs            bool // without /openapi.json and /docs, and the way from / to it

	Title, Version string // of the document
}

// Telemetry is where the server tells what it does. Nil parts are silent.
type Telemetry struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Tracer     trace.Tracer
}

// Verifier turns a bearer token into who it stands for. Code: Unauthenticated
// for a token that is not good, Unavailable when that cannot be known now.
type Verifier interface {
	Verify(ctx context.Context, token string) (port.Principal, error)
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.ReadHeader, 5 * time.Second}, {&c.Read, 15 * time.Second}, {&c.Write, 30 * time.Second},
		{&c.Idle, time.Minute}, {&c.Deadline, 15 * time.Second}, {&c.Grace, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.BodyLimit == 0 {
		c.BodyLimit = 1 << 20
	}
	if c.Connections == 0 {
		c.Connections = 4096
	}
	if c.Telemetry.Logger == nil {
		c.Telemetry.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Telemetry.Registerer == nil {
		c.Telemetry.Registerer = prometheus.NewRegistry()
	}
	if c.Telemetry.Tracer == nil {
		c.Telemetry.Tracer = noop.NewTracerProvider().Tracer("web")
	}
	if c.Title == "" {
		c.Title = "Banyan"
	}
	if c.Version == "" {
		c.Version = "1"
	}
	return c
}
