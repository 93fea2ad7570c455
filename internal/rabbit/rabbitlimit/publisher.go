package rabbitlimit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Window is how many messages may be unconfirmed.
const Window = 256

// Publisher brings messages to a queue that writes them down: a quorum queue, each
// message persistent and confirmed.
type Publisher struct {
	conn  *amqp.Connection
	ch    *amqp.Channel
	queue string
}

// NewPublisher connects, and makes the queue where there is none.
func NewPublisher(url, queue string) (*Publisher, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	p := &Publisher{conn: conn, queue: queue}
	if p.ch, err = conn.Channel(); err == nil {
		err = errors.Join(declare(p.ch, queue), p.ch.Confirm(false))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the bare publisher: %w", err), conn.Close())
	}
	return p, nil
}

func declare(ch *amqp.Channel, queue string) error {
	_, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	return err
}

// Publish sends n messages and returns when the broker has confirmed all of them.
// It waits for the oldest only when the window is full.
func (p *Publisher) Publish(ctx context.Context, n int, body func(i int) []byte) error {
	open := make([]*amqp.DeferredConfirmation, min(n, Window))
	for i := range n {
		if i >= Window {
			if err := confirmed(ctx, open[i%Window]); err != nil {
				return err
			}
		}
		var err error
		open[i%Window], err = p.ch.PublishWithDeferredConfirmWithContext(ctx, "", p.queue, false, false,
			amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body(i)})
		if err != nil {
			return err
		}
	}
	for _, one := range open {
		if err := confirmed(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func confirmed(ctx context.Context, c *amqp.DeferredConfirmation) error {
	acked, err := c.WaitContext(ctx)
	if err == nil && !acked {
		err = errors.New("the broker could not take a message over")
	}
	return err
}

// Purge empties a queue and tells how many messages were in it.
func (p *Publisher) Purge(queue string) (int, error) { return p.ch.QueuePurge(queue, false) }

// Close ends the connection.
func (p *Publisher) Close() error { return p.conn.Close() }
