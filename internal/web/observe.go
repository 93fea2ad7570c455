package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// observed wraps the routes with what every request gets, matched or not:
// an id, a trace, headers, a size limit, recovery, a log line and metrics.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{requestID: requestID(r), ip: clientIP(r, s.cfg.TrustedProxies), start: time.Now()}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := s.cfg.Telemetry.Tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		ctx = telemetry.EnsureTrace(ctx) // a client can always name its request
		x.traceID = telemetry.TraceID(ctx)
		ctx = telemetry.WithRequestID(ctx, x.requestID)
		ctx = context.WithValue(ctx, exchangeKey{}, x)
		r = r.WithContext(ctx)

		h := w.Header()
		ids := []string{x.requestID, x.traceID}
		h["X-Request-Id"], h["X-Trace-Id"] = ids[0:1:1], ids[1:2:2]
		for _, always := range everyAnswer {
			h[always.name] = always.value
		}

		if len(r.TransferEncoding) > 0 {
			// A Content-Length beside it is dropped before we see it, so what follows on
			// this connection may be another request only for us (RFC 9112, 6.1).
			h.Set("Connection", "close")
		}

		rec := &recorder{ResponseWriter: w, closing: &s.draining}
		r.Body = http.MaxBytesReader(rec, r.Body, s.cfg.BodyLimit)
		s.metrics.inFlight.Inc()
		defer func() {
			s.metrics.inFlight.Dec()
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v)
				}
				s.recovered(rec, r, v)
			}
			s.finish(r, x, rec, span)
		}()
		next.ServeHTTP(rec, r)
	})
}

// everyAnswer has these headers. The values are shared: they have no room behind
// them, so whoever adds to one gets a copy.
var everyAnswer = []struct {
	name  string
	value []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cache-Control", []string{"no-store"}},
}

func (s *Server) recovered(rec *recorder, r *http.Request, v any) {
	err := fault.Internal.Wrap(fmt.Errorf("panic: %v", v), "panic")
	s.cfg.Telemetry.Logger.ErrorContext(r.Context(), "panic in a handler", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if rec.status == 0 {
		writeProblem(rec, r, err)
		return
	}
	exchangeOf(r.Context()).fault = err // the answer has begun: it can only be logged
}

// finish tells log, trace and metrics how it went.
func (s *Server) finish(r *http.Request, x *exchange, rec *recorder, span trace.Span) {
	took := time.Since(x.start)
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	route, method := x.route, r.Method
	if route == "" {
		route = "unmatched" // never the path: metrics must stay bounded
	}
	if method != http.MethodHead && !slices.Contains(methods, method) {
		method = "OTHER"
	}
	s.metrics.count(outcome{route, method, status}, took)

	if span.IsRecording() {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.String("url.path", r.URL.Path))
	}
	level := slog.LevelInfo
	if status < http.StatusInternalServerError && !s.cfg.Telemetry.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", route),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
		slog.String("ip", x.ip),
	}
	if x.subject != "" {
		attrs = append(attrs, slog.String("subject", x.subject))
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("code", fault.From(x.fault).Code.Name()))
	}
	if status >= http.StatusInternalServerError && !turnedAway(x.fault) { // which is counted, and no news by the hundred
		level = slog.LevelError
		span.SetStatus(codes.Error, http.StatusText(status))
		if x.fault != nil {
			span.RecordError(x.fault)
			attrs = append(attrs, slog.String("error", x.fault.Error()))
		}
	}
	s.cfg.Telemetry.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	known    sync.Map // of outcome to *counted, so that labels are looked up once; bounded as they are
}

// outcome is what requests are counted by.
type outcome struct {
	route, method string
	status        int
}

type counted struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func (m *metrics) count(o outcome, took time.Duration) {
	c, ok := m.known.Load(o)
	if !ok {
		status := strconv.Itoa(o.status)
		c, _ = m.known.LoadOrStore(o, &counted{
			m.requests.WithLabelValues(o.route, o.method, status), m.duration.WithLabelValues(o.route, o.method, status),
		})
	}
	c.(*counted).requests.Inc()
	c.(*counted).duration.Observe(took.Seconds())
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	labels := []string{"route", "method", "status"}
	m := &metrics{}
	var err error
	if m.requests, err = registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests answered."}, labels)); err != nil {
		return nil, err
	}
	if m.duration, err = registered(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time to answer.", Buckets: prometheus.DefBuckets}, labels)); err != nil {
		return nil, err
	}
	m.inFlight, err = registered[prometheus.Gauge](reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "http_requests_in_flight", Help: "Requests being answered."}))
	return m, err
}

// registered registers a collector, or gives the one that another server of
// this process has registered.
func registered[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if known, ok := already.ExistingCollector.(C); ok {
			return known, nil
		}
	}
	return c, err
}
