package rabbitlimit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Take brings what is in a queue to apply, at most that many messages at a time: all
// that came while the last ones were being applied. They are acknowledged together
// once apply has returned nil. It ends with ctx, or with the first error.
func Take(ctx context.Context, url, queue string, most int, apply func(bodies [][]byte) error) (err error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := errors.Join(declare(ch, queue), ch.Qos(2*most, 0, false)); err != nil {
		return fmt.Errorf("prepare the bare consumer: %w", err)
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	// amqp091 hands over one by one: batches are made of what is kept here.
	came := make(chan amqp.Delivery, 2*most)
	go func() {
		defer close(came)
		for d := range deliveries {
			came <- d // there is room for all that is not acknowledged
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-came:
			if !ok {
				return amqp.ErrClosed
			}
			bodies, last := gather(d, came, most)
			if err := apply(bodies); err != nil {
				return err
			}
			if err := ch.Ack(last, true); err != nil {
				return err
			}
		}
	}
}

// gather adds to a message what is there already.
func gather(first amqp.Delivery, came <-chan amqp.Delivery, most int) (bodies [][]byte, last uint64) {
	bodies, last = [][]byte{first.Body}, first.DeliveryTag
	for len(bodies) < most {
		select {
		case d, ok := <-came:
			if !ok {
				return bodies, last
			}
			bodies, last = append(bodies, d.Body), d.DeliveryTag
		default:
			return bodies, last
		}
	}
	return bodies, last
}
