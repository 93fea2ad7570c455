package port

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Call calls the method on conn by its present policy. An error is always a
// *fault.Error, the reply is then zero, and the deadline, the idempotency key
// and what is observed are the same whichever way the call goes.
//
// Codes: those of the method's contract, Unavailable, DeadlineExceeded, Canceled, Internal.
func (m *Method[Req, Rep]) Call(ctx context.Context, c *Conn, req Req) (rep Rep, err error) {
	p := c.policy.Load()
	if p.wire == nil && c.tel == nil {
		return m.direct(ctx, c, p, req, 0)
	}
	return m.observed(ctx, c, p, req)
}

// direct is the plain function call. start is now, or zero where nobody looked yet:
// looking costs more than the rest of the call.
func (m *Method[Req, Rep]) direct(ctx context.Context, c *Conn, p *policy, req Req, start instant) (rep Rep, err error) {
	fn, ok := p.server.typed(m.info).(func(context.Context, Req) (Rep, error))
	if !ok {
		return rep, c.unrouted(m.info)
	}
	if err := early(ctx, start); err != nil {
		return rep, fault.From(err)
	}
	cc := m.enter(ctx, req, start)
	if cc != nil {
		ctx = cc
	}
	defer func() {
		if r := recover(); r != nil {
			err = c.tel.panicked(ctx, m.info, r)
		}
		if cc != nil {
			cc.finish()
		}
		if err != nil {
			var zero Rep
			rep, err = zero, fault.From(err)
		}
	}()
	return fn(ctx, req)
}

// observed is the call with span and metric, and the fork to the wire.
func (m *Method[Req, Rep]) observed(ctx context.Context, c *Conn, p *policy, req Req) (rep Rep, err error) {
	start, by := now(), wayDirect
	wire := p.remote()
	if wire {
		by = p.way
	}
	ctx, span := c.tel.startCall(ctx, m.info, by)
	if wire {
		rep, err = m.send(ctx, c, p, req, start)
	} else {
		rep, err = m.direct(ctx, c, p, req, start)
	}
	c.tel.endCall(m.info, by, span, start, err)
	return rep, err
}

// enter bounds ctx by the method's deadline and, for a command, hands over the
// caller's key and replay flag. nil means that ctx can be used as it is.
func (m *Method[Req, Rep]) enter(ctx context.Context, req Req, start instant) *callContext {
	i := m.info
	if !i.spec.Command {
		return i.bound(ctx, nil, start)
	}
	fresh, hidden := handover(ctx)
	key := fresh
	if key.IsZero() && m.natural != nil {
		key.Key = m.natural(req)
	}
	flag, outer := replayFlag(ctx)
	if key.IsZero() && !hidden && flag == nil && !outer {
		return i.bound(ctx, nil, start)
	}
	return i.bound(ctx, &hand{key: i.scoped(key), flag: flag}, start)
}

// scoped adds the method to the key's scope, so that two commands of a module
// that are called with one caller's key are two effects.
func (i *info) scoped(key IdempotencyKey) IdempotencyKey {
	switch {
	case key.IsZero():
		return IdempotencyKey{}
	case key.Scope == "":
		key.Scope = i.spec.Name
	default:
		key.Scope += " " + i.spec.Name
	}
	return key
}

// panicError keeps what a handler panicked with. The stack is for the log only.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Stack is where the handler panicked.
func (e *panicError) Stack() string { return string(e.stack) }

func newPanic(value any) *panicError { return &panicError{value: value, stack: debug.Stack()} }
