package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// markType is the type of a message that says nothing: whoever reads a stream sees
// by its own mark that it has read all there was.
const markType = "banyan.mark"

// readAhead is how many events a stream may send that were not acknowledged.
const readAhead = 256

// catchUp gives the consumer what was published before its queue was bound, from
// the streams of the modules it listens to. It says whether that was done.
func (c *consumption) catchUp(ctx context.Context, s *session) bool {
	return c.insist(ctx, s, "catch up with the streams", func() error {
		fresh, err := c.inbox.Unregistered(ctx)
		if err != nil || len(fresh) == 0 {
			return err
		}
		for _, source := range sourcesOf(fresh) {
			err := c.broker.history(ctx, s, source, func(page []event.Envelope) error {
				return c.inbox.Deliver(ctx, page)
			})
			if err != nil {
				return fmt.Errorf("read the stream of %s: %w", source, err)
			}
		}
		return c.inbox.Register(ctx, fresh)
	})
}

// sourcesOf gives the modules that publish topics: a topic begins with its module.
func sourcesOf(topics []string) []string {
	var modules []string
	for _, t := range topics {
		module, _, _ := strings.Cut(t, ".")
		modules = append(modules, module)
	}
	slices.Sort(modules)
	return slices.Compact(modules)
}

// history gives all that a module has published, and that is still kept, to fn. A
// module that never published has none.
func (b *Broker) history(ctx context.Context, s *session, module string, fn func([]event.Envelope) error) error {
	mark := id.V7()
	o, err := b.out.pass(ctx, 0)
	if err != nil {
		return err
	}
	// To the stream only: no queue is bound to such a topic.
	err = o.publish(ctx, "marks", []outgoing{{exchange: EventsExchange, key: module + "." + markType, Publishing: amqp.Publishing{
		Type: markType, MessageId: mark, DeliveryMode: amqp.Persistent, ContentType: "text/plain",
	}}})
	if errors.Is(err, errUnrouted) {
		return nil
	}
	if err != nil {
		return err
	}
	ch, err := s.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	defer func() { _ = ch.Close() }() // the session may be gone
	if err := ch.Qos(readAhead, 0, false); err != nil {
		return fmt.Errorf("bound what the stream sends: %w", err)
	}
	messages, err := ch.Consume(LogQueue(module), "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		return fmt.Errorf("consume %s: %w", LogQueue(module), err)
	}
	return readUntil(messages, mark, fn)
}

func readUntil(messages <-chan amqp.Delivery, mark string, fn func([]event.Envelope) error) error {
	page := make([]event.Envelope, 0, readAhead)
	flush := func(d *amqp.Delivery) error {
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
			page = page[:0]
		}
		return d.Ack(true)
	}
	unacked := 0
	for d := range messages {
		unacked++
		if d.Type == markType {
			if d.MessageId == mark {
				return flush(&d)
			}
		} else if e, err := event.Decode(d.Body); err == nil && published(&d, e) { // what is none was put aside when it was new
			page = append(page, e)
		}
		if unacked == readAhead/2 {
			unacked = 0
			if err := flush(&d); err != nil {
				return err
			}
		}
	}
	return amqp.ErrClosed
}
