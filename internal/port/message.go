package port

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// Message is a call or a reply as any transport carries it. Header is plain text
// that a broker may show and route by; Body is JSON (see Encode).
type Message struct {
	Method string
	Header map[string]string
	Body   []byte
	// Waits is for the calling end, and not sent: whoever sends this only waits from now
	// on, so its place at work can be given to somebody else.
	Waits bool
}

// Names in a Message's Header.
const (
	HeaderKind        = "kind"    // "query" or "command"
	HeaderVersion     = "version" // Spec.Version, decimal
	HeaderContentType = "content-type"
	HeaderDeadline    = "deadline"  // unix microseconds; absent: no bound
	HeaderPrincipal   = "principal" // signed
	HeaderScope       = "idempotency-scope"
	HeaderKey         = "idempotency-key"
	HeaderFingerprint = "idempotency-fingerprint"
	HeaderFault       = "fault"    // in a reply: the code's name; the body is then the fault
	HeaderReplayed    = "replayed" // in a reply: "true" when answered from memory
	HeaderMisfit      = "misfit"   // in a reply: what of caller and server does not fit together
	// The trace context is in "traceparent" and "tracestate" (W3C).
)

// ContentType is what every Body is.
const ContentType = "application/json"

const (
	kindQuery   = "query"
	kindCommand = "command"
)

// Deadline is when the caller stops waiting; false where it waits without bound. A
// transport uses it as the message's time to live.
func (m Message) Deadline() (time.Time, bool) {
	us, err := strconv.ParseInt(m.Header[HeaderDeadline], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMicro(us).UTC(), true
}

// IsQuery tells whether the message only asks.
func (m Message) IsQuery() bool { return m.Header[HeaderKind] == kindQuery }

// Repeatable tells whether the message may be delivered again: a query, or a
// command with a key.
func (m Message) Repeatable() bool {
	return m.IsQuery() || m.Header[HeaderKey] != ""
}

var traceContext = propagation.TraceContext{}

// injectTrace writes the caller's span, if there is one.
func injectTrace(ctx context.Context, header map[string]string) {
	traceContext.Inject(ctx, propagation.MapCarrier(header))
}

// extractTrace makes the caller's span the parent of what is done under the result.
func extractTrace(ctx context.Context, header map[string]string) context.Context {
	return traceContext.Extract(ctx, propagation.MapCarrier(header))
}
