package rabbit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
)

const (
	atOnce = 256        // events that are applied in one transaction
	inHand = 2 * atOnce // delivered and not acknowledged: the next batch comes while one is applied
)

// consumption is a module's events as the broker brings them.
type consumption struct {
	broker *Broker
	inbox  *event.Consumer
	turn   sync.Mutex // one session's events at a time: who is at work when one breaks still is

	mu sync.Mutex
	ch *amqp.Channel // of the present session
}

// Consume brings a consumer its events. Call it before the tasks run.
func (b *Broker) Consume(c *event.Consumer) {
	b.consumers = append(b.consumers, &consumption{broker: b, inbox: c})
}

// listen binds the queue and takes events from it until the session ends. Where
// the queue was not there, everything ever published may have missed it: then the
// consumer is caught up.
func (c *consumption) listen(ctx context.Context, s *session) error {
	name := EventQueue(c.inbox.Name())
	there, err := s.exists(name)
	if err != nil {
		return err
	}
	if !there {
		if err := c.inbox.Unregister(ctx); err != nil {
			return err
		}
	}
	ch, err := s.channel()
	if err != nil {
		return err
	}
	if err := s.declare(ch, eventTopology(c.inbox.Name(), c.inbox.Topics())); err != nil {
		return err
	}
	if err := ch.Qos(inHand, 0, false); err != nil {
		return fmt.Errorf("bound what %s sends: %w", name, err)
	}
	events, err := ch.Consume(name, name, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %s: %w", name, err)
	}
	c.mu.Lock()
	c.ch = ch
	c.mu.Unlock()
	c.broker.workers.Go(func() {
		c.turn.Lock()
		defer c.turn.Unlock()
		if c.catchUp(ctx, s) {
			c.broker.workers.Go(func() { c.look(ctx, s) })
			c.take(ctx, s, ch, events)
		}
	})
	return nil
}

// cancel ends the consumer.
func (c *consumption) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		_ = c.ch.Cancel(EventQueue(c.inbox.Name()), false) // the session may be gone
	}
}

// take applies events in batches: one transaction and one acknowledgement for all
// that came while the last batch was being applied.
func (c *consumption) take(ctx context.Context, s *session, ch *amqp.Channel, events <-chan amqp.Delivery) {
	// amqp091 hands over one by one, and has the next ready only a moment later. So
	// what came is kept here, or no batch would ever have a second event.
	came := make(chan amqp.Delivery, inHand)
	go func() {
		defer close(came)
		for d := range events {
			came <- d // there is room for all that is not acknowledged
		}
	}()
	for first := range came {
		batch := append(make([]amqp.Delivery, 0, atOnce), first)
	gather:
		for len(batch) < atOnce {
			select {
			case d, ok := <-came:
				if !ok {
					break gather
				}
				batch = append(batch, d)
			default:
				break gather
			}
		}
		taken, bad, ok := c.apply(ctx, s, batch)
		if !ok {
			return
		}
		for _, d := range bad {
			if err := c.putAside(ctx, d); err != nil {
				return // it comes again, and is put aside then
			}
		}
		if taken == 0 {
			continue // the broker must not hear twice of what was put aside
		}
		if err := ch.Ack(taken, true); err != nil {
			return // all of it comes again, and is recognised
		}
	}
}

// apply tries until the inbox has taken the batch over, or the session or the
// process ends. It gives the tag of the last event, 0 where there is none, and what is
// no event.
func (c *consumption) apply(ctx context.Context, s *session, batch []amqp.Delivery) (taken uint64, bad []amqp.Delivery, ok bool) {
	events := make([]event.Envelope, 0, len(batch))
	for _, d := range batch {
		e, err := event.Decode(d.Body)
		if err == nil {
			err = c.broker.genuine(&d, e)
		}
		if err != nil {
			bad = append(bad, d)
			continue
		}
		events, taken = append(events, e), d.DeliveryTag
	}
	return taken, bad, c.insist(ctx, s, "apply events", func() error { return c.inbox.Deliver(ctx, events) })
}

// insist repeats with longer and longer pauses.
func (c *consumption) insist(ctx context.Context, s *session, what string, do func() error) bool {
	pause := firstPause
	for {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		wait := rand.N(pause)
		c.broker.cfg.Log.WarnContext(ctx, "cannot "+what, slog.String("consumer", c.inbox.Name()), slog.Duration("next", wait), slog.Any("error", err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		case <-s.lost:
			return false
		}
		pause = min(2*pause, longPause)
	}
}
