package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Redacted stands for what must not be in a log.
const Redacted = "[redacted]"

// secrets are parts of attribute names whose values are never written.
var secrets = [...]string{"password", "passwd", "token", "authorization", "secret", "cookie", "api_key", "apikey", "private_key"}

// LogOptions say how logs are written.
type LogOptions struct {
	Level  string // debug, info, warn, error; info unless set
	Format string // json or text; json unless set
}

// NewLogger makes a logger that writes to w, adds the ids of the context
// (trace_id, span_id, request_id) and hides secrets by the names of their keys.
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: must be debug, info, warn or error", o.Level)
		}
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	switch o.Format {
	case "", "json":
		return slog.New(NewHandler(slog.NewJSONHandler(w, options))), nil
	case "text":
		return slog.New(NewHandler(slog.NewTextHandler(w, options))), nil
	}
	return nil, fmt.Errorf("log format %q: must be json or text", o.Format)
}

// redact is called for leaves only, so it looks at the groups above them too:
// a group "password" hides all that is in it.
func redact(groups []string, a slog.Attr) slog.Attr {
	if isSecret(a.Key) || slices.ContainsFunc(groups, isSecret) {
		return slog.String(a.Key, Redacted)
	}
	return a
}

func isSecret(key string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	return slices.ContainsFunc(secrets[:], func(s string) bool { return strings.Contains(key, s) })
}

// Handler adds the ids of a record's context at the top level, also below
// WithGroup: a search for trace_id must find every line.
type Handler struct {
	root  slog.Handler // what the steps are replayed on
	steps []func(slog.Handler) slog.Handler
	ready slog.Handler // root with the steps, for contexts without ids
	group bool         // a step opened a group, so ids must be added before it
}

var _ slog.Handler = (*Handler)(nil)

// NewHandler wraps next.
func NewHandler(next slog.Handler) *Handler { return &Handler{root: next, ready: next} }

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.ready.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	ids := idsOf(ctx)
	if len(ids) == 0 {
		return h.ready.Handle(ctx, r)
	}
	if !h.group {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.ready.Handle(ctx, r)
	}
	// Attributes of the record go into the open group, so the ids are put below it.
	next := h.root.WithAttrs(ids)
	for _, step := range h.steps {
		next = step(next)
	}
	return next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(h.group, func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(true, func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *Handler) with(group bool, step func(slog.Handler) slog.Handler) slog.Handler {
	return &Handler{root: h.root, steps: append(slices.Clone(h.steps), step), ready: step(h.ready), group: group}
}

func idsOf(ctx context.Context) []slog.Attr {
	var ids []slog.Attr
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		ids = append(ids, slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	if id := RequestIDFrom(ctx); id != "" {
		ids = append(ids, slog.String("request_id", id))
	}
	return ids
}
