package resilience

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

const (
	repeats     = 2                     // of a query that got no reply
	firstRepeat = 20 * time.Millisecond // longest pause before the first of them
	lastRepeat  = 500 * time.Millisecond
)

// transport is the calling end of a wire that may be sick.
type transport struct {
	next  port.Transport
	guard *Guard
	again retrypolicy.RetryPolicy[port.Message]
}

// Transport guards the calls to one module: it bounds how many are under way, stays
// away from a module that does not answer, and repeats a query that got no reply,
// within the caller's deadline and as far as the budget reaches. A command is sent
// once: who sent it, a saga or a client, repeats it with its key.
// Code: Unavailable where a call was not made, besides those of next.
func Transport(next port.Transport, g *Guard) port.Transport {
	return &transport{next: next, guard: g, again: retrypolicy.NewBuilder[port.Message]().
		HandleIf(func(_ port.Message, err error) bool { return worthRepeating(err) }).
		WithMaxRetries(repeats).WithBackoff(firstRepeat, lastRepeat).WithJitterFactor(0.9).ReturnLastFailure().Build()}
}

// RoundTrip makes the call.
func (t *transport) RoundTrip(ctx context.Context, m port.Message) (port.Message, error) {
	reply, err := t.try(ctx, m, false)
	if !m.IsQuery() || !worthRepeating(err) {
		return reply, err
	}
	// The policy sees the try that failed as its first. Most calls never get here,
	// and need not pay for what they do not use.
	first := true
	return failsafe.With(t.again).WithContext(ctx).GetWithExecution(func(failsafe.Execution[port.Message]) (port.Message, error) {
		if first {
			first = false
			return reply, err
		}
		return t.try(ctx, m, true)
	})
}

func (t *transport) try(ctx context.Context, m port.Message, repeat bool) (port.Message, error) {
	room := t.guard.places
	if m.Waits {
		room = t.guard.waits
	}
	reply, err := callIn(ctx, t.guard, room, repeat, noReply, func() (port.Message, error) { return t.next.RoundTrip(ctx, m) })
	if NotMade(err) {
		return reply, fault.Unavailable.Wrap(err, "%s cannot be asked now", m.Method)
	}
	return reply, err
}

// noReply tells that the wire or whoever is behind it is not well. A fault in a
// reply is an answer.
func noReply(_ port.Message, err error) bool {
	return errors.Is(err, fault.Unavailable) || errors.Is(err, fault.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// worthRepeating tells that another try may go better: what was left alone on
// purpose is not tried again.
func worthRepeating(err error) bool {
	return errors.Is(err, fault.Unavailable) && !NotMade(err)
}
