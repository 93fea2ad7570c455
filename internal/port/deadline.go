package port

import (
	"context"
	"sync/atomic"
	"time"
)

// instant is a time of the monotonic clock, counted from began. A look at it costs
// half of time.Now; zero means that nobody looked yet. It is for measuring and for
// deadlines in this process: it knows nothing of the wall clock's adjustments.
type instant time.Duration

// began is when the program did.
var began = time.Now()

func now() instant { return instant(max(time.Since(began), 1)) }

func instantOf(t time.Time) instant { return instant(t.Sub(began)) }

func (i instant) time() time.Time { return began.Add(time.Duration(i)) }

// callContext is the context a handler gets when the caller's does not do: it
// has the method's deadline, or the command's key. The timer of a deadline is
// only made when somebody waits for Done, which most handlers never do; so a
// call costs one allocation where context.WithTimeout takes four.
type callContext struct {
	context.Context                       // the caller's
	deadline        instant               // zero: the caller's own deadline holds
	limit           time.Duration         // nothing below takes longer than this; 0: not known
	hand            *hand                 // nil: the caller's key and flag are seen
	timer           atomic.Pointer[timer] // nil until somebody asks for Done
}

// timer is a deadline somebody waits for.
type timer struct {
	context.Context
	cancel context.CancelFunc
}

// over is the timer of a call that ended before anybody waited.
var over = func() *timer {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return &timer{ctx, cancel}
}()

type callKey struct{}

// WithTimeout is context.WithTimeout that costs one allocation, and tells the
// calls below how long they have without a look at the clock. Entry points (a
// route, a consumer, a timer) bound their work with it.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	i := info{spec: Spec{Deadline: d}}
	if c := i.bound(ctx, nil, 0); c != nil {
		return c, c.finish
	}
	return context.WithCancel(ctx)
}

// bound gives the context for a call of the method, nil where ctx itself does.
func (i *info) bound(ctx context.Context, h *hand, start instant) *callContext {
	limit := i.spec.Deadline
	if limit == 0 && h == nil {
		return nil
	}
	near, ok := ctx.(*callContext)
	if !ok {
		near, _ = ctx.Value(callKey{}).(*callContext)
	}
	known := time.Duration(0)
	if near != nil {
		known = near.limit
	}
	if limit == 0 || known != 0 && known <= limit {
		return pass(ctx, h, known)
	}
	if start == 0 {
		start = now()
	}
	deadline := start + instant(limit)
	if theirs, ok := ctx.Deadline(); ok && instantOf(theirs) <= deadline {
		return pass(ctx, h, known)
	}
	return &callContext{Context: ctx, deadline: deadline, limit: limit, hand: h}
}

// pass keeps the caller's deadline.
func pass(ctx context.Context, h *hand, limit time.Duration) *callContext {
	if h == nil {
		return nil
	}
	return &callContext{Context: ctx, limit: limit, hand: h}
}

// early is ctx.Err without a look at the clock where start (zero: unknown) or a
// timer can tell; a handler that waits for anything notices the rest.
func early(ctx context.Context, start instant) error {
	for {
		c, ok := ctx.(*callContext)
		if !ok || c.timer.Load() != nil {
			return ctx.Err()
		}
		if c.deadline != 0 && start >= c.deadline {
			return context.DeadlineExceeded
		}
		ctx = c.Context
	}
}

// finish ends what the handler started under this context.
func (c *callContext) finish() {
	if c.deadline == 0 {
		return
	}
	if !c.timer.CompareAndSwap(nil, over) {
		c.timer.Load().cancel()
	}
}

// Deadline is the tighter of the caller's and the method's.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline == 0 {
		return c.Context.Deadline()
	}
	return c.deadline.time(), true
}

// Done starts the timer at the first call.
func (c *callContext) Done() <-chan struct{} {
	if c.deadline == 0 {
		return c.Context.Done()
	}
	if t := c.timer.Load(); t != nil {
		return t.Done()
	}
	ctx, cancel := context.WithDeadline(c.Context, c.deadline.time())
	if !c.timer.CompareAndSwap(nil, &timer{ctx, cancel}) {
		cancel()
	}
	return c.timer.Load().Done()
}

// Err needs no timer.
func (c *callContext) Err() error {
	if c.deadline == 0 {
		return c.Context.Err()
	}
	if t := c.timer.Load(); t != nil {
		return t.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if now() >= c.deadline {
		return context.DeadlineExceeded
	}
	return nil
}

// Value answers for the key and the flag that were handed over, and asks the timer
// for the rest, so that contexts made below attach to it and not to the caller's.
func (c *callContext) Value(key any) any {
	switch key.(type) {
	case callKey:
		return c
	case idempotencyKey, replayKey:
		if c.hand != nil {
			return c.hand
		}
	}
	if t := c.timer.Load(); t != nil && t != over {
		return t.Value(key)
	}
	return c.Context.Value(key)
}
