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
func (b *Broker) Publish(s Source) { b.sources = append(b.sources, source{Source: s}) }

// source is a Source as the publishing connection keeps it.
type source struct {
	Source
	told bool // that its stream is there with another age
}

// Sink takes the events of this process's sources to the broker.
func (b *Broker) Sink() event.Sink { return sink{b} }

type sink struct{ broker *Broker }

// Name of the sink.
func (sink) Name() string { return "rabbitmq" }

// Topics are all there are.
func (sink) Topics() []string { return nil }

// Deliver returns when the broker has confirmed every event: each is safe in the
// stream of its module and in the queue of every module that listens. While there
// is no connection, the broker takes nothing, or the queues of this process were never
// bound, it waits.
func (s sink) Deliver(ctx context.Context, events []event.Envelope) error {
	if err := s.broker.Bound(ctx); err != nil {
		return err
	}
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

// window is how many messages may be unconfirmed: with 256, the broker ran out of work
// now and then.
const window = 1024

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
	err = c.publish(ctx, o.session, messages)
	if errors.Is(err, errUnrouted) && publishesEvents(messages) {
		o.session.end(err) // our stream is gone: the next session declares it again
	}
	return err
}

// publish sends on while the broker confirms, and waits for the oldest when the
// window is full.
func (c *confirmed) publish(ctx context.Context, s *session, messages []outgoing) error {
	patience := time.NewTimer(confirmTime)
	defer patience.Stop()
	open := make([]*amqp.DeferredConfirmation, len(messages))
	var unrouted error
	await := func(i int) error {
		select {
		case <-open[i].Done():
			patience.Reset(confirmTime)
		case <-s.lost: // nobody knows what arrived; the inbox recognises what comes twice
			return s.why
		case <-patience.C:
			return fmt.Errorf("the broker confirmed nothing for %s", confirmTime)
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker's confirmation: %w", ctx.Err())
		}
		if !open[i].Acked() {
			return errors.New("the broker could not take it over")
		}
		err := c.returned()
		if errors.Is(err, errUnrouted) { // the others may be on their way
			unrouted, err = err, nil
		}
		return err
	}
	for i, m := range messages {
		if i >= window {
			if err := await(i - window); err != nil {
				return fmt.Errorf("publish to %s: %w", messages[i-window].key, err)
			}
		}
		var err error
		open[i], err = c.ch.PublishWithDeferredConfirmWithContext(context.Background(), m.exchange, m.key, true, false, m.Publishing)
		if err != nil {
			return fmt.Errorf("publish to %s: %w", m.key, err)
		}
	}
	for i := max(0, len(messages)-window); i < len(messages); i++ {
		if err := await(i); err != nil {
			return fmt.Errorf("publish to %s: %w", messages[i].key, err)
		}
	}
	return unrouted
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
func (b *Broker) declareSources(ctx context.Context, s *session) error {
	if len(b.sources) == 0 {
		return nil
	}
	ch, err := s.channel()
	if err != nil {
		return err
	}
	for i := range b.sources {
		source := &b.sources[i]
		other, err := s.adopt(ch, logTopology(source.Source))
		if err != nil {
			return err
		}
		if other != nil && !source.told {
			source.told = true
			b.cfg.Log.WarnContext(ctx, "a stream keeps its former age: the setting events.retention is for streams that are made. "+
				"Shorter: set max-age by a policy on the broker. Longer: delete the stream, which takes its history away; it is made again",
				"stream", LogQueue(source.Module), "error", other)
		}
	}
	return nil
}
