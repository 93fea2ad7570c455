package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
)

// Limits says how much of a module is done at a time. Zero values take the defaults.
type Limits struct {
	Places   int // calls at work at a time, in this process; 64
	Prefetch int // calls taken from the queue and not acknowledged, at work or not yet; 256
	// Resting is how many calls, besides both, only wait for others (resilience.Rest). As many
	// as Prefetch where a method of the module waits (port.Waits); more do not wait. Elsewhere
	// as many as Places: a command that came again waits for who began it.
	Resting int
}

// served is a module of this process as the broker reaches it.
type served struct {
	broker *Broker
	server *port.Server
	queue  string
	limits Limits
	took   prometheus.Observer
	places chan struct{} // shared by all sessions: who is at work when one breaks still is
	rests  chan struct{} // who only waits for others

	mu sync.Mutex
	ch *amqp.Channel // of the present session
}

// Serve answers calls to the server's module. Call it when the server has all its methods,
// and before the tasks run.
func (b *Broker) Serve(s *port.Server, l Limits) {
	l.Places, l.Prefetch = orElse(l.Places, 64), orElse(l.Prefetch, 256)
	rest := l.Places
	if slices.ContainsFunc(s.Methods(), func(m port.Described) bool { return m.Spec().Waiting() }) {
		rest = l.Prefetch
	}
	l.Resting = orElse(l.Resting, rest)
	b.served = append(b.served, &served{
		broker: b, server: s, queue: CallQueue(s.Module()), limits: l, places: make(chan struct{}, l.Places),
		rests: make(chan struct{}, l.Resting), took: b.cfg.Metrics.answered(s.Module()),
	})
}

// listen declares the queue and answers what comes by it until the session ends.
func (s *served) listen(ctx context.Context, on *session) error {
	ch, err := on.channel()
	if err != nil {
		return err
	}
	if err := on.declare(ch, callTopology(s.server.Module())); err != nil {
		return err
	}
	if err := ch.Qos(s.limits.Prefetch+s.limits.Resting, 0, false); err != nil {
		return fmt.Errorf("bound what %s sends: %w", s.queue, err)
	}
	calls, err := ch.Consume(s.queue, s.queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %s: %w", s.queue, err)
	}
	s.mu.Lock()
	s.ch = ch
	s.mu.Unlock()
	acks := newAcker(ch, s.limits.Prefetch/4)
	s.broker.workers.Go(func() {
		c := &crew{served: s, calls: calls, acks: acks}
		s.places <- struct{}{}
		c.grow(ctx)
		c.members.Wait()
		acks.close()
	})
	return nil
}

// idle is how many members of a crew wait for calls; who finds so many waiting
// after a call leaves.
const idle = 2

// crew answers the calls of one session. As long as there are places it has one
// member who waits for the next call, each with a place of its module. A few stay
// when they are done: most calls need no goroutine to be made for them, and are
// handed over once on their way.
type crew struct {
	served  *served
	calls   <-chan amqp.Delivery
	acks    *acker
	members sync.WaitGroup
	waiting atomic.Int64
}

// grow adds a member, for whom a place was taken.
func (c *crew) grow(ctx context.Context) {
	c.waiting.Add(1)
	c.members.Go(func() {
		holds := true
		defer func() {
			if holds {
				<-c.served.places
			}
		}()
		for d := range c.calls {
			if c.waiting.Add(-1) == 0 {
				select {
				case c.served.places <- struct{}{}:
					c.grow(ctx)
				default: // all are at work
				}
			}
			if m := message(&d); c.served.worth(&d, m, c.acks) {
				holds = c.answer(ctx, &d, m)
			}
			if !holds || c.waiting.Load() >= idle { // not counted itself, so whoever takes the last one's call sees none
				return
			}
			c.waiting.Add(1)
		}
	})
}

// answer has a call answered, and tells whether its member has its place still.
func (c *crew) answer(ctx context.Context, d *amqp.Delivery, m port.Message) (holds bool) {
	s := c.served
	holds = true
	inside, over := resilience.Resting(ctx, func() bool {
		select {
		case s.rests <- struct{}{}:
			holds = false
			c.grow(ctx)
			return true
		default:
			return false
		}
	})
	s.answer(inside, d, m, c.acks)
	if over(); !holds {
		<-s.rests
	}
	return holds
}

// cancel ends the consumer; what was delivered is still answered.
func (s *served) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		_ = s.ch.Cancel(s.queue, false) // the session may be gone
	}
}

// worth tells whether anybody still waits for the answer; what nobody waits for
// is dropped unopened. A command without a key that comes a second time may have
// had its effect the first time, so it is not opened either.
func (s *served) worth(d *amqp.Delivery, m port.Message, acks *acker) bool {
	if deadline, ok := m.Deadline(); ok && !time.Now().Before(deadline) {
		s.broker.cfg.Metrics.expired(s.server.Module())
		acks.ready(d.DeliveryTag)
		return false
	}
	if d.Redelivered && !m.Repeatable() {
		acks.ready(d.DeliveryTag)
		s.refuse(d, m.Method)
		return false
	}
	return true
}

// refuse answers a call that is not opened.
func (s *served) refuse(d *amqp.Delivery, method string) {
	if o, _, err := s.broker.out.now(); err == nil { // a caller who does not get it waits until its deadline
		_ = o.replies.publish("", d.ReplyTo, false, response(interrupted(method), d.CorrelationId))
	}
}

// interrupted answers a call of which nobody here knows how it goes.
func interrupted(method string) port.Message {
	f := fault.Unavailable.Errorf("%s was interrupted; it may have done what was asked", method)
	body, _ := f.MarshalJSON() // strings only: it cannot fail
	return port.Message{Method: method, Header: map[string]string{port.HeaderFault: f.Code.Name()}, Body: body}
}

// answer opens a call and sends the reply.
func (s *served) answer(ctx context.Context, d *amqp.Delivery, m port.Message, acks *acker) {
	if !m.Repeatable() {
		acks.now(d.DeliveryTag) // never a second time, whatever happens now
	} else {
		defer acks.ready(d.DeliveryTag)
	}
	// What was begun is finished, also when the process is told to stop: it does so
	// within the deadline that Dispatch reads from the message.
	began := time.Now()
	reply := s.server.Dispatch(context.WithoutCancel(ctx), m)
	deadline, ok := m.Deadline()
	if !ok {
		deadline = began.Add(longestCall)
	}
	if d.Redelivered {
		reply = s.outlast(ctx, m, reply, deadline)
	}
	if s.took != nil {
		s.took.Observe(time.Since(began).Seconds())
	}
	if d.ReplyTo == "" {
		return
	}
	if err := s.reply(ctx, d, reply, deadline); err != nil {
		s.broker.cfg.Log.WarnContext(ctx, "a reply was lost", slog.String("method", m.Method), slog.Any("error", err))
	}
}

// outlast waits for a command to be over that came again because its session ended:
// whoever began it is still at work, and the caller asked once. That is no work, so its
// place goes to the next. Where it turns out that whoever began it has died it is done here
// after all, beside the places; so few rest where no method waits. One for whom there is no
// room does not wait in its place, which would keep everybody else out: its caller asks
// again, with the same key.
func (s *served) outlast(ctx context.Context, m port.Message, reply port.Message, deadline time.Time) port.Message {
	if reply.Header[port.HeaderFault] == idempotency.InFlight.Name() && !resilience.Rest(ctx) {
		return interrupted(m.Method)
	}
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for pause := firstPause; reply.Header[port.HeaderFault] == idempotency.InFlight.Name(); pause = min(2*pause, time.Second) {
		select {
		case <-time.After(rand.N(pause)):
		case <-limited.Done():
			return reply
		}
		reply = s.server.Dispatch(context.WithoutCancel(ctx), m)
	}
	return reply
}

// reply sends over the publishing connection, which may have to be built first. Once
// ctx has ended, because the process stops, that is not waited for long.
func (s *served) reply(ctx context.Context, d *amqp.Delivery, reply port.Message, deadline time.Time) error {
	limited, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(closeTime, cancel) })()
	for {
		o, err := s.broker.out.pass(limited, 0)
		if err != nil {
			return err
		}
		err = o.replies.publish("", d.ReplyTo, false, response(reply, d.CorrelationId))
		if err == nil {
			return nil
		}
		select {
		case <-o.lost: // the next session can do it
		case <-limited.Done():
			return err
		}
	}
}
