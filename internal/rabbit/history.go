package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// markType is the type of a message that says nothing: whoever reads a stream sees
// by its own mark that it has read all there was.
const markType = "banyan.mark"

// readAhead is how many events a stream may send that were not acknowledged.
const readAhead = 256

// catchUp gives the consumer what was published before its queue was bound. It says
// whether that was done.
func (c *consumption) catchUp(ctx context.Context, s *session) bool {
	return c.insist(ctx, s, "catch up with what was published", func() error { return c.inbox.CatchUp(ctx, c.streams(s)) })
}

// streams are what the broker keeps of those to whom the consumer listens.
func (c *consumption) streams(s *session) event.Stream {
	return func(ctx context.Context, topics []string, fn func([]event.Envelope) error) error {
		for _, source := range sourcesOf(topics) {
			if err := c.broker.history(ctx, s, source, fn); err != nil {
				return fmt.Errorf("read the stream of %s: %w", source, err)
			}
		}
		return nil
	}
}

// How often is looked for what no event tells of. Who had much to read rests ten times
// as long as that took.
const (
	lookEvery = 5 * time.Second
	longRest  = event.LongestRest
)

// look catches the consumer up, until the session ends, with topics that another
// version of it missed in whose hands the queue was, and lets aggregates begin of
// which nobody has the beginning.
func (c *consumption) look(ctx context.Context, s *session) {
	rest := lookEvery
	for {
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		case <-s.lost:
			return
		}
		began := time.Now()
		if !c.catchUp(ctx, s) {
			return
		}
		c.insist(ctx, s, "look for what has no beginning", func() error { return c.inbox.Begin(ctx, c.streams(s)) })
		rest = min(max(lookEvery, 10*time.Since(began)), longRest)
	}
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
	return readUntil(ctx, messages, mark, fn)
}

func readUntil(ctx context.Context, messages <-chan amqp.Delivery, mark string, fn func([]event.Envelope) error) error {
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
	for {
		var d amqp.Delivery
		var open bool
		select {
		case d, open = <-messages:
		case <-ctx.Done(): // also where the broker hangs
			return ctx.Err()
		}
		if !open {
			return amqp.ErrClosed
		}
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
}
