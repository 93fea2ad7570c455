package rabbit

import (
	"context"
	"errors"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
)

// longestCall bounds a call that has no bound of its own: a reply can be lost.
const longestCall = time.Minute

// caller is the way to one module.
type caller struct {
	broker *Broker
	module string
	queue  string
}

// To gives the transport of calls to a module. It never sends a message twice.
//
// An error says that no reply came. Unavailable: there is no connection, the
// broker takes no messages, nobody has a queue for the module, or the connection
// was lost while the call was under way; only then may the call have had an
// effect. DeadlineExceeded: the reply did not come in time.
func (b *Broker) To(module string) port.Transport {
	return &caller{broker: b, module: module, queue: CallQueue(module)}
}

// RoundTrip sends a call and waits for its reply.
func (c *caller) RoundTrip(ctx context.Context, m port.Message) (port.Message, error) {
	deadline, ok := m.Deadline()
	if !ok {
		deadline = time.Now().Add(longestCall)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	o, err := c.broker.out.pass(ctx, ready)
	if err != nil {
		if errors.Is(err, ErrNotConnected) || errors.Is(err, ErrBlocked) {
			return port.Message{}, fault.Unavailable.Wrap(err, "%s cannot be reached now", c.module)
		}
		return port.Message{}, err
	}
	left := time.Until(deadline)
	if left <= 0 {
		return port.Message{}, context.DeadlineExceeded
	}
	if m.Waits {
		resilience.Rest(ctx)
	}
	id, got := o.waiting.add()
	defer o.waiting.take(id)
	if err := o.calls.publish("", c.queue, true, request(m, correlation(id), left)); err != nil {
		return port.Message{}, fault.Unavailable.Wrap(err, "%s cannot be reached now", c.module)
	}
	select {
	case a := <-got:
		return c.read(a)
	case <-ctx.Done():
		return port.Message{}, ctx.Err()
	case <-o.lost:
	}
	select {
	case a := <-got: // at the same moment
		return c.read(a)
	default:
		return port.Message{}, fault.Unavailable.Wrap(o.why, "the connection was lost while %s was asked; it may have done what was asked", c.module)
	}
}

func (c *caller) read(a answer) (port.Message, error) {
	if a.returned {
		return port.Message{}, fault.Unavailable.Errorf("%s does not run", c.module)
	}
	return message(&a.reply), nil
}
