package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/run"
)

// consuming uses one session for all that comes to this process.
func (b *Broker) consuming(ctx context.Context, s *session) error {
	hurried := s.hurry(ctx)
	err := b.listen(ctx, s)
	if hurried(); err == nil {
		b.bind.Do(func() { close(b.bound) })
		b.in.open(s)
		err = s.wait(ctx)
		b.in.shut()
	}
	if ctx.Err() != nil {
		// Nothing new is taken; what was begun, in this session or an earlier one, is
		// finished, answered and acknowledged. A broker that does not answer is not waited for.
		hung := time.AfterFunc(closeTime, s.discard)
		for _, sv := range b.served {
			sv.cancel()
		}
		for _, c := range b.consumers {
			c.cancel()
		}
		hung.Stop()
		b.workers.Wait()
	}
	return err
}

// receive holds the session for what comes, and ends when nobody is at work any more:
// also where it is told to stop between two sessions.
func (b *Broker) receive(ctx context.Context) error {
	defer b.workers.Wait()
	return b.keep(ctx, "in", b.consuming)
}

func (b *Broker) listen(ctx context.Context, s *session) error {
	for _, sv := range b.served {
		if err := sv.listen(ctx, s); err != nil {
			return err
		}
	}
	for _, c := range b.consumers {
		if err := c.listen(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Tasks are the two connections. Who waits for their readiness finds its queues bound,
// or is told why there was no session until ctx ended.
// Sink waits for that too, so who does not want to wait for a broker that is away can
// go on without it.
func (b *Broker) Tasks() []run.Task {
	tasks := []run.Task{{
		Name: "rabbitmq out",
		Run:  func(ctx context.Context) error { return b.keep(ctx, "out", b.publishing) },
		Ready: func(ctx context.Context) error {
			_, err := b.out.pass(ctx, 0)
			return b.because(err)
		},
	}}
	if b.takes() {
		tasks = append(tasks, run.Task{
			Name: "rabbitmq in",
			Run:  b.receive,
			Ready: func(ctx context.Context) error {
				_, err := b.in.pass(ctx, 0)
				return b.because(err)
			},
		})
	}
	return tasks
}

// because adds why to there being no session.
func (b *Broker) because(err error) error {
	if why := b.trouble.Load(); why != nil && errors.Is(err, ErrNotConnected) {
		return fmt.Errorf("%w: %w", ErrNotConnected, *why)
	}
	return err
}

// takes tells whether anything comes to this process; who only calls has one
// connection.
func (b *Broker) takes() bool { return len(b.served)+len(b.consumers) > 0 }

// Bound waits until the queues of this process have been bound for the first time,
// which may be long after the start where the broker is away. Where nothing comes to
// this process it does not wait.
func (b *Broker) Bound(ctx context.Context) error {
	if !b.takes() {
		return nil
	}
	select {
	case <-b.bound:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Call is for a program that only calls others: it keeps the publishing connection
// until ctx ends, and declares nothing.
func (b *Broker) Call(ctx context.Context) error {
	caller := &Broker{cfg: b.cfg, tls: b.tls, out: b.out}
	return caller.keep(ctx, "command", caller.publishing)
}

// Connected is what Health says when all is well.
const Connected = "connected"

// Health tells how the connections do. It is never an error: what runs in this
// process goes on without them, and events catch up.
func (b *Broker) Health() health.Check {
	return health.Check{Name: "rabbitmq", Run: func(context.Context) (string, error) {
		_, _, out := b.out.now()
		var in error
		if b.takes() {
			_, _, in = b.in.now()
		}
		return b.condition(out, in), nil
	}}
}

// condition says in words that anyone may read how the ways out and in are.
func (b *Broker) condition(out, in error) string {
	var says []string
	lost := 0
	for _, err := range []error{out, in} {
		if errors.Is(err, ErrNotConnected) {
			lost++
		} else if err != nil {
			says = append(says, err.Error())
		}
	}
	if lost > 0 {
		none := ErrNotConnected.Error()
		switch {
		case lost < 2 && in != nil:
			none += " to receive by"
		case lost < 2 && b.takes():
			none += " to send by"
		}
		if why := b.trouble.Load(); why != nil {
			if reason := plain(*why); reason != "" {
				none += ": " + reason
			}
		}
		says = append(says, none)
	}
	if says == nil {
		return Connected
	}
	return strings.Join(says, "; ")
}

// plain is why there is no session, without names of hosts and users and without what the
// broker wrote; empty: nothing can be said without these.
func plain(why error) string {
	var said *amqp.Error
	var name *net.DNSError
	var slow net.Error
	var number syscall.Errno
	switch {
	case errors.Is(why, amqp.ErrVhost):
		return "it has no such virtual host for us; see amqp.url"
	case errors.As(why, &said) && said.Code == amqp.AccessRefused:
		return "it refuses our user, password or rights (403); see amqp.url"
	case errors.As(why, &said) && said.Code == amqp.NotAllowed:
		return "it has no such virtual host for us (530); see amqp.url"
	case said != nil:
		return fmt.Sprintf("it ended the last one (%d)", said.Code)
	case errors.As(why, &name):
		return "its host is not found; see amqp.url"
	case errors.As(why, &number):
		return number.Error()
	case errors.As(why, &slow) && slow.Timeout():
		return "it does not answer in time"
	}
	return ""
}
