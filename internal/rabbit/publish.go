package rabbit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
)

// Source is a module whose events this process publishes.
type Source struct {
	Module    string
	Retention time.Duration // how long the stream of its events reaches back
}

// confirmTime is how long the broker may take to confirm before the same messages
// are published again.
const confirmTime = time.Minute

// Publish declares a source's stream in every session. Call it before the tasks run.
func (b *Broker) Publish(s Source) { b.sources = append(b.sources, s) }

// Sink takes the events of this process's sources to the broker.
func (b *Broker) Sink() event.Sink { return sink{b} }

type sink struct{ broker *Broker }

// Name of the sink.
func (sink) Name() string { return "rabbitmq" }

// Topics are all there are.
func (sink) Topics() []string { return nil }

// Deliver returns when the broker has confirmed every event: each is safe in the
// stream of its module and in the queue of every module that listens. While there
// is no connection, or the broker takes nothing, it waits.
func (s sink) Deliver(ctx context.Context, events []event.Envelope) error {
	messages := make([]outgoing, len(events))
	for i, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write event %s: %w", e.ID, err)
		}
		messages[i] = outgoing{exchange: EventsExchange, key: e.Topic, Publishing: amqp.Publishing{
			ContentType: "application/cloudevents+json", DeliveryMode: amqp.Persistent,
			MessageId: e.ID, Type: e.Type, AppId: e.Source, Timestamp: e.Time, Body: body,
		}}
	}
	o, err := s.broker.out.pass(ctx, 0)
	if err != nil {
		return err
	}
	return o.publish(ctx, events[0].Source, messages)
}

// outgoing is a message that must arrive.
type outgoing struct {
	exchange, key string
	amqp.Publishing
}

// confirmed is a channel on which the broker confirms what it took over.
type confirmed struct {
	mu      sync.Mutex // one goroutine publishes at a time
	ch      *amqp.Channel
	returns chan amqp.Return
}

// window is how many messages may be unconfirmed.
const window = 256

// channelOf gives the channel of a publisher, which has one of its own so that it
// waits for nobody's confirmations but its own.
func (o *outbound) channelOf(publisher string) (*confirmed, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.events[publisher]; c != nil {
		return c, nil
	}
	ch, err := o.channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("ask for confirmations: %w", err)
	}
	// A return comes before its confirmation, so with room for all of a window the
	// channel never waits for us.
	c := &confirmed{ch: ch, returns: ch.NotifyReturn(make(chan amqp.Return, 2*window))}
	o.events[publisher] = c
	return c, nil
}

// publish returns nil once every message is where it was routed to.
func (o *outbound) publish(ctx context.Context, publisher string, messages []outgoing) error {
	c, err := o.channelOf(publisher)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(messages) > 0 {
		n := min(len(messages), window)
		if err := c.publish(ctx, o.session, messages[:n]); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

func (c *confirmed) publish(ctx context.Context, s *session, messages []outgoing) error {
	limited, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	open := make([]*amqp.DeferredConfirmation, len(messages))
	for i, m := range messages {
		var err error
		open[i], err = c.ch.PublishWithDeferredConfirmWithContext(context.Background(), m.exchange, m.key, true, false, m.Publishing)
		if err != nil {
			return fmt.Errorf("publish to %s: %w", m.key, err)
		}
	}
	for i, one := range open {
		select {
		case <-one.Done():
		case <-s.lost: // nobody knows what arrived; the inbox recognises what comes twice
			return fmt.Errorf("publish to %s: %w", messages[i].key, s.why)
		case <-limited.Done():
			return fmt.Errorf("publish to %s: wait for the broker's confirmation: %w", messages[i].key, limited.Err())
		}
		if !one.Acked() {
			return fmt.Errorf("publish to %s: the broker could not take it over", messages[i].key)
		}
	}
	err := c.returned()
	if errors.Is(err, errUnrouted) && publishesEvents(messages) {
		s.end(err) // our stream is gone: the next session declares it again
	}
	return err
}

func publishesEvents(messages []outgoing) bool {
	return messages[0].exchange == EventsExchange && messages[0].Type != markType
}

// errUnrouted tells that a message fitted no queue.
var errUnrouted = errors.New("no queue takes it")

// returned tells whether a confirmed message was not routed to any queue. Its
// return was here before its confirmation.
func (c *confirmed) returned() error {
	var err error
	for {
		select {
		case r, ok := <-c.returns:
			if !ok {
				return fmt.Errorf("publish: %w", amqp.ErrClosed)
			}
			err = fmt.Errorf("publish to %s: %w", r.RoutingKey, errUnrouted)
			continue
		default:
		}
		return err
	}
}

// declareSources makes the streams of our sources. Where one was deleted, the next
// session makes it again.
func (b *Broker) declareSources(s *session) error {
	if len(b.sources) == 0 {
		return nil
	}
	ch, err := s.channel()
	if err != nil {
		return err
	}
	for _, source := range b.sources {
		if err := s.declare(ch, logTopology(source)); err != nil {
			return err
		}
	}
	return nil
}
