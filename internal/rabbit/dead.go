package rabbit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/fault"
)

// reasonHeader tells why a message was put aside.
const reasonHeader = "banyan-reason"

// letter is a delivery that is put aside, and why.
type letter struct {
	amqp.Delivery
	reason string
}

// bury puts messages into the dead-letter queue, with the reason. It returns when
// they are safe there.
func (c *consumption) bury(ctx context.Context, letters []letter) error {
	o, err := c.broker.out.pass(ctx, 0)
	if err != nil {
		return err
	}
	queue := DeadQueue(c.inbox.Name())
	messages := make([]outgoing, len(letters))
	for i, l := range letters {
		headers := amqp.Table{reasonHeader: l.reason}
		for k, v := range l.Headers {
			headers[k] = v
		}
		messages[i] = outgoing{key: queue, Publishing: amqp.Publishing{
			Headers: headers, ContentType: l.ContentType, DeliveryMode: amqp.Persistent, MessageId: l.MessageId, Type: l.Type,
			AppId: l.AppId, Timestamp: time.Now(), Body: l.Body,
		}}
		c.broker.cfg.Log.ErrorContext(ctx, "a message is no event and was put aside", "queue", queue, "message", l.MessageId, "reason", l.reason)
		c.broker.cfg.Metrics.deadLetter(c.inbox.Name())
	}
	return o.publish(ctx, "dead "+c.inbox.Name(), messages)
}

// DeadLetter is a message that a module's process could not take over: no event,
// or one that every process died of.
type DeadLetter struct {
	Module string    `json:"consumer"`
	ID     string    `json:"id"` // message id; where it has none, a hash of its body
	Type   string    `json:"type"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Body   string    `json:"body"`
}

func deadLetter(module string, d *amqp.Delivery) DeadLetter {
	l := DeadLetter{Module: module, ID: d.MessageId, Type: d.Type, At: d.Timestamp.UTC(), Body: string(d.Body)}
	if l.ID == "" {
		sum := sha256.Sum256(d.Body)
		l.ID = hex.EncodeToString(sum[:8])
	}
	if reason, ok := d.Headers[reasonHeader].(string); ok {
		l.Reason = reason
	} else {
		l.Reason = fmt.Sprintf("delivered more than %d times and never acknowledged: a process may die of it", attemptsOfBroker)
	}
	return l
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

// DropDead gives a message up for good. Codes: NotFound.
func (b *Broker) DropDead(ctx context.Context, module, id string) error {
	n, err := b.judge(ctx, module, mostDead, func(l DeadLetter) verdict {
		if l.ID == id {
			return forget
		}
		return stay
	})
	if err == nil && n == 0 {
		err = fault.NotFound.Errorf("the dead-letter queue of %s has no message %s: list them to see which there are", module, id)
	}
	return err
}

// mostDead bounds how many letters are looked at in one go.
const mostDead = 10_000

// judge takes letters in hand, one after the other, and does with each what is
// decided; those that stay go back when the connection closes. It gives how many
// did not stay.
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
	done := 0
	for _, d := range taken {
		switch decide(deadLetter(module, &d)) {
		case again:
			err = o.publish(ctx, module, []outgoing{{key: EventQueue(module), Publishing: amqp.Publishing{
				ContentType: d.ContentType, DeliveryMode: amqp.Persistent, MessageId: d.MessageId, Type: d.Type,
				AppId: d.AppId, Timestamp: d.Timestamp, Body: d.Body,
			}}})
		case forget:
		default:
			continue
		}
		if err := errors.Join(err, d.Ack(false)); err != nil {
			return done, fmt.Errorf("empty %s: %w", DeadQueue(module), err)
		}
		done++
	}
	return done, nil
}
