package rabbit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
)

// putAside has the broker move a message to the dead-letter queue. The broker does
// so by itself, and keeps the message until it is safe there: one that we published
// would be there twice whenever our acknowledgement of the first was lost.
func (c *consumption) putAside(ctx context.Context, d amqp.Delivery) error {
	if err := d.Reject(false); err != nil {
		return fmt.Errorf("put a message of %s aside: %w", EventQueue(c.inbox.Name()), err)
	}
	c.broker.cfg.Log.ErrorContext(ctx, "a message is no event and was put aside",
		"queue", DeadQueue(c.inbox.Name()), "message", d.MessageId, "reason", reasonOf(&d))
	c.broker.cfg.Metrics.deadLetter(c.inbox.Name())
	return nil
}

// DeadLetter is a message that a module's process could not take over: no event,
// or one that every process died of.
type DeadLetter struct {
	Module string    `json:"consumer"`
	ID     string    `json:"id"` // message id; where it has none, a hash of its body
	Type   string    `json:"type"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // when it was put aside; zero where it claims a time that no calendar has
	Body   string    `json:"body"`

	Event *event.Envelope `json:"-"` // that its body is; nil where it is none, or not what it says
}

func (b *Broker) deadLetter(module string, d *amqp.Delivery) DeadLetter {
	l := DeadLetter{Module: module, ID: d.MessageId, Type: d.Type, Reason: reasonOf(d), At: d.Timestamp.UTC(), Body: string(d.Body)}
	if l.ID == "" {
		sum := sha256.Sum256(d.Body)
		l.ID = hex.EncodeToString(sum[:8])
	}
	if at, ok := died(d)["time"].(time.Time); ok {
		l.At = at.UTC()
	}
	if year := l.At.Year(); year < 1 || year > 9999 { // one such letter would keep all from being listed as JSON
		l.At = time.Time{}
	}
	if e, err := event.Decode(d.Body); err == nil {
		came := *d
		came.Exchange, came.RoutingKey = wayOf(d)
		if b.genuine(&came, e) == nil {
			l.Event = &e
		}
	}
	return l
}

// wayOf tells the exchange and the topic by which a message came: of a letter the
// delivery tells how it came to the dead, and the broker's note how before.
func wayOf(d *amqp.Delivery) (exchange, topic string) {
	death := died(d)
	if death == nil {
		return d.Exchange, d.RoutingKey
	}
	exchange, _ = death["exchange"].(string)
	if keys, _ := death["routing-keys"].([]any); len(keys) > 0 {
		topic, _ = keys[0].(string)
	}
	return exchange, topic
}

// reasonOf tells why a message was put aside: it can be read from it again.
func reasonOf(d *amqp.Delivery) string {
	e, err := event.Decode(d.Body)
	if err != nil {
		return err.Error()
	}
	exchange, topic := wayOf(d)
	death := died(d)
	if err := cameBy(exchange, topic, e); err != nil && (death == nil || death["reason"] == "rejected") {
		return err.Error()
	}
	if death["reason"] == "rejected" {
		return "an older version of the program could not read it, this one can: replay it"
	}
	return fmt.Sprintf("delivered more than %d times and never acknowledged: a process may die of it", attemptsOfBroker)
}

// died is what the broker notes about a message that it moves to a dead-letter queue.
func died(d *amqp.Delivery) amqp.Table {
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		return nil
	}
	last, _ := deaths[0].(amqp.Table)
	return last
}

// verdict is what becomes of a dead letter that was looked at.
type verdict int

const (
	stay   verdict = iota
	again          // back to the module's queue
	forget         // gone for good
)

// DeadLetters gives up to limit messages that wait in a module's dead-letter queue.
func (b *Broker) DeadLetters(ctx context.Context, module string, limit int) ([]DeadLetter, error) {
	list := []DeadLetter{}
	_, err := b.judge(ctx, module, limit, func(l DeadLetter) verdict {
		list = append(list, l)
		return stay
	})
	return list, err
}

// ReplayDead gives messages back to the module; without ids all there are.
func (b *Broker) ReplayDead(ctx context.Context, module string, ids ...string) (int, error) {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	return b.judge(ctx, module, mostDead, func(l DeadLetter) verdict {
		if len(ids) == 0 || wanted[l.ID] {
			return again
		}
		return stay
	})
}

// DropDead gives a message up for good, once record has taken note of it; after an error
// of that it stays. Codes: NotFound.
func (b *Broker) DropDead(ctx context.Context, module, id string, record func(DeadLetter) error) error {
	var failed error
	n, err := b.judge(ctx, module, mostDead, func(l DeadLetter) verdict {
		if l.ID != id || failed != nil {
			return stay
		}
		if failed = record(l); failed != nil {
			return stay
		}
		return forget
	})
	if err == nil {
		err = failed
	}
	if err == nil && n == 0 {
		err = fault.NotFound.Errorf("the dead-letter queue of %s has no message %s: list them to see which there are", module, id)
	}
	return err
}

// mostDead bounds how many letters are looked at in one go.
const mostDead = 10_000

// judge takes letters in hand, one after the other, and does with each what is
// decided; those that stay go back when the connection closes. What is there twice
// (a broker died between two of its own queues, or one of us between giving a
// letter back and taking it away) is one letter: it is judged once, and no copy
// stays behind. judge gives how many letters did not stay.
func (b *Broker) judge(ctx context.Context, module string, limit int, decide func(DeadLetter) verdict) (int, error) {
	s, err := b.connect(ctx, "dead letters")
	if err != nil {
		return 0, err
	}
	defer s.discard()
	there, err := s.exists(DeadQueue(module))
	if err != nil || !there {
		return 0, err
	}
	o := &outbound{session: s, events: map[string]*confirmed{}}
	ch, err := s.channel()
	if err != nil {
		return 0, err
	}
	// All are taken before any is given back: what cannot be taken over comes here
	// again, and would be met a second time.
	var taken []amqp.Delivery
	for range limit {
		d, ok, err := ch.Get(DeadQueue(module), false)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", DeadQueue(module), err)
		}
		if !ok {
			break
		}
		taken = append(taken, d)
	}
	done, judged := 0, map[DeadLetter]verdict{}
	for _, d := range taken {
		l := b.deadLetter(module, &d)
		same := DeadLetter{ID: l.ID, Body: l.Body}
		v, copied := judged[same]
		if !copied {
			v = decide(l)
			judged[same] = v
		}
		if v == stay {
			continue
		}
		if v == again && !copied {
			err := o.publish(ctx, module, []outgoing{{key: EventQueue(module), Publishing: amqp.Publishing{
				ContentType: d.ContentType, DeliveryMode: amqp.Persistent, MessageId: d.MessageId, Type: d.Type,
				AppId: d.AppId, Timestamp: d.Timestamp, Body: d.Body, UserId: b.user,
			}}})
			if errors.Is(err, errUnrouted) {
				err = fmt.Errorf("%w; start %s, which makes its queue, and try again", err, module)
			}
			if err != nil { // it was not acknowledged: it goes back
				return done, fmt.Errorf("message %s stays in %s: %w", l.ID, DeadQueue(module), err)
			}
		}
		if err := d.Ack(false); err != nil {
			return done, fmt.Errorf("empty %s: %w", DeadQueue(module), err)
		}
		if !copied {
			done++
		}
	}
	return done, nil
}
