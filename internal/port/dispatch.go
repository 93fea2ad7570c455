package port

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Dispatch answers one message; the reply has a body or a fault, never neither.
// Everything it trusts is in the message: ctx is the server's own, and ends the
// work when the server stops. A message whose caller has stopped waiting is
// answered DeadlineExceeded without being opened; one whose principal is missing,
// forged, for another method or expired, Unauthenticated, one of another version of the
// method Malformed, and both with HeaderMisfit.
func (s *Server) Dispatch(ctx context.Context, m Message) Message {
	return s.dispatch(ctx, m, ends{signer: s.signer, tel: s.tel})
}

// ends is what the answering end works with; loopback lends its own.
type ends struct {
	signer   Signer
	tel      *telemetry
	poisoned bool // overwrite the request when the handler is done with it
}

func (s *Server) dispatch(ctx context.Context, m Message, e ends) Message {
	var replayed atomic.Bool
	body, err := s.open(ctx, m, e, &replayed)
	reply := Message{Method: m.Method, Header: map[string]string{HeaderContentType: ContentType}, Body: body}
	if replayed.Load() {
		reply.Header[HeaderReplayed] = "true"
	}
	if err != nil {
		f := fault.From(err)
		var wrong *misfit
		if errors.As(err, &wrong) {
			reply.Header[HeaderMisfit] = wrong.part
			e.tel.log(ctx, "a call was refused", slog.String("method", m.Method), slog.Any("error", err), slog.String("hint", hints[wrong.part]))
		}
		if f.Code.Kind() == fault.KindInternal {
			// The cause stays on this side, so this side has to tell of it.
			e.tel.log(ctx, "a call failed", slog.String("method", m.Method), slog.Any("error", err))
		}
		reply.Header[HeaderFault] = f.Code.Name()
		reply.Body, _ = f.MarshalJSON() // strings only: it cannot fail
	}
	return reply
}

// misfit is a refusal that says nothing of the request: caller and server do not fit
// together. No repeat by a client mends it, and it is not the client's fault.
type misfit struct {
	part string // of hints
	error
}

func (m *misfit) Unwrap() error { return m.error }

const (
	misfitPrincipal = "principal"
	misfitVersion   = "version"
)

// hints say where to look when caller and server do not fit together.
var hints = map[string]string{
	misfitPrincipal: "give both processes the same ports.signing_key (BANYAN_PORTS_SIGNING_KEY), and clocks that agree",
	misfitVersion:   "the two processes were built from sources in which the contract has different versions: see app contracts check",
}

// open checks the message from the outside in, and calls the handler.
func (s *Server) open(ctx context.Context, m Message, e ends, replayed *atomic.Bool) (body []byte, err error) {
	wall, began := time.Now(), now()
	cc := new(callContext)
	if d, ok := m.Deadline(); ok {
		if cc.limit = d.Sub(wall); cc.limit <= 0 {
			return nil, fault.DeadlineExceeded.Errorf("the caller of %s had stopped waiting before it was opened", m.Method)
		}
		cc.deadline = began + instant(cc.limit)
	} else if m.Header[HeaderDeadline] != "" {
		return nil, fault.Malformed.Errorf("the deadline %q is no number of microseconds", m.Header[HeaderDeadline])
	}
	if e.signer == nil {
		return nil, &misfit{misfitPrincipal, fault.Unauthenticated.Errorf("the server of %s has no signer and believes nobody", s.module)}
	}
	principal, err := e.signer.Verify(m.Header[HeaderPrincipal], m.Method, wall)
	if err != nil {
		return nil, &misfit{misfitPrincipal, err}
	}
	h := s.table.Load().named[m.Method]
	if h == nil {
		return nil, fault.Unavailable.Errorf("nobody answers %s here", m.Method)
	}
	if v := m.Header[HeaderVersion]; v != strconv.Itoa(h.info.spec.Version) {
		return nil, &misfit{misfitVersion, fault.Malformed.Errorf("%s is answered in version %d, the message is of version %q", m.Method, h.info.spec.Version, v)}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cc.Context = WithPrincipal(extractTrace(ctx, m.Header), principal)
	if h.info.spec.Command {
		key := IdempotencyKey{Scope: m.Header[HeaderScope], Key: m.Header[HeaderKey], Fingerprint: m.Header[HeaderFingerprint]}
		cc.hand = &hand{key: key, flag: replayed}
	}
	ctx, span := e.tel.startServing(cc, h.info)
	defer func() {
		cc.finish()
		if r := recover(); r != nil {
			body, err = nil, e.tel.panicked(ctx, h.info, r)
		}
		endSpan(span, err)
	}()
	return h.answer(ctx, m.Body, e.poisoned)
}

// answer opens the request, calls the handler, and writes its reply.
func answer[Req, Rep any](ctx context.Context, fn func(context.Context, Req) (Rep, error), body []byte, poisoned bool) ([]byte, error) {
	var req Req
	if err := Decode(body, &req); err != nil {
		return nil, fault.Malformed.Wrap(err, "the request cannot be read: %v", err)
	}
	if poisoned {
		kept := req // the handler may write to its own copy of the outermost value
		defer func() { poison(reflect.ValueOf(&kept).Elem()) }()
	}
	rep, err := fn(ctx, req)
	if err != nil {
		return nil, err
	}
	out, err := Encode(rep)
	if err != nil {
		return nil, fault.Internal.Wrap(err, "the reply cannot be written")
	}
	return out, nil
}
