package port

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Telemetry is where calls are observed. Each part may be nil. Conns and servers may
// share a Registerer.
type Telemetry struct {
	Registerer prometheus.Registerer
	Tracer     trace.Tracer
	Logger     *slog.Logger
}

// WithTelemetry observes the calls of a Conn, or the work of a Server: a histogram
// port_call_duration_seconds and a counter port_call_faults_total, a span where
// the caller's span is sampled, and a log entry with the stack for a panic. A
// span is never started without a sampled parent: traces begin at entry points.
func WithTelemetry(t Telemetry) EndOption { return telemetryOption{t} }

type telemetryOption struct{ t Telemetry }

func (o telemetryOption) applyConn(c *Conn)     { c.tel = newTelemetry(o.t) }
func (o telemetryOption) applyServer(s *Server) { s.tel = newTelemetry(o.t) }

// telemetry is Telemetry with its labels resolved once per method and way. A nil
// *telemetry observes nothing.
type telemetry struct {
	Telemetry
	seconds *prometheus.HistogramVec
	faults  *prometheus.CounterVec
	mu      sync.Mutex
	known   atomic.Pointer[map[instrumentKey]*instruments]
}

type instrumentKey struct {
	info *info
	way  way
}

type instruments struct {
	seconds prometheus.Observer
	client  []trace.SpanStartOption
}

func newTelemetry(t Telemetry) *telemetry {
	tel := &telemetry{Telemetry: t}
	if t.Registerer != nil {
		tel.seconds = register(t.Registerer, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "port_call_duration_seconds",
			Help:    "How long calls between modules took, as the caller saw it.",
			Buckets: []float64{.00001, .0001, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"module", "method", "way"}))
		tel.faults = register(t.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "port_call_faults_total",
			Help: "Calls between modules that answered with a fault, by its code.",
		}, []string{"module", "method", "way", "code"}))
	}
	tel.known.Store(&map[instrumentKey]*instruments{})
	return tel
}

// register gives the collector of an earlier registration, if there is one.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if same, ok := already.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		panic("port: the metrics of calls cannot be registered: " + err.Error())
	}
	return c
}

func (t *telemetry) instruments(i *info, by way) *instruments {
	key := instrumentKey{i, by}
	if in := (*t.known.Load())[key]; in != nil {
		return in
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := maps.Clone(*t.known.Load())
	in := &instruments{}
	if t.seconds != nil {
		in.seconds = t.seconds.WithLabelValues(i.spec.Module(), i.spec.Method(), by.String())
	}
	kind := trace.SpanKindInternal
	if by != wayDirect {
		kind = trace.SpanKindClient
	}
	in.client = []trace.SpanStartOption{
		trace.WithSpanKind(kind),
		trace.WithAttributes(attribute.String("port.method", i.spec.Name), attribute.String("port.way", by.String())),
	}
	known[key] = in
	t.known.Store(&known)
	return in
}

// startCall starts the caller's span; nil where the caller's trace is not sampled.
func (t *telemetry) startCall(ctx context.Context, i *info, by way) (context.Context, trace.Span) {
	if t == nil || t.Tracer == nil || !trace.SpanFromContext(ctx).SpanContext().IsSampled() {
		return ctx, nil
	}
	return t.Tracer.Start(ctx, i.spec.Name, t.instruments(i, by).client...)
}

// endCall records what came of the call.
func (t *telemetry) endCall(i *info, by way, span trace.Span, start instant, err error) {
	endSpan(span, err)
	if t == nil || t.seconds == nil {
		return
	}
	t.instruments(i, by).seconds.Observe(time.Duration(now() - start).Seconds())
	if err != nil {
		t.faults.WithLabelValues(i.spec.Module(), i.spec.Method(), by.String(), fault.From(err).Code.Name()).Inc()
	}
}

// startServing starts the span of the answering end.
func (t *telemetry) startServing(ctx context.Context, i *info) (context.Context, trace.Span) {
	if t == nil || t.Tracer == nil || !trace.SpanFromContext(ctx).SpanContext().IsSampled() {
		return ctx, nil
	}
	return t.Tracer.Start(ctx, i.spec.Name, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("port.method", i.spec.Name)))
}

func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		f := fault.From(err)
		span.SetAttributes(attribute.String("port.fault", f.Code.Name()))
		if s := f.Code.Kind().HTTPStatus(); s >= 500 {
			span.SetStatus(codes.Error, f.Code.Name())
		}
	}
	span.End()
}

// panicked turns a handler's panic into Internal and logs its stack.
func (t *telemetry) panicked(ctx context.Context, i *info, value any) error {
	p := newPanic(value)
	t.log(ctx, "a handler panicked", slog.String("method", i.spec.Name), slog.Any("panic", value), slog.String("stack", p.Stack()))
	return fault.Internal.Wrap(p, "something went wrong on our side")
}

func (t *telemetry) log(ctx context.Context, message string, attrs ...slog.Attr) {
	if t != nil && t.Logger != nil {
		t.Logger.LogAttrs(ctx, slog.LevelError, message, attrs...)
	}
}
