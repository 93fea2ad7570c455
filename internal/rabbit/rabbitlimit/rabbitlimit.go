// Package rabbitlimit does over RabbitMQ the least that a call or an event needs, in
// the best known way: what internal/rabbit is measured against.
//
// What belongs here: bare use of amqp091. What does not: anything the product uses.
package rabbitlimit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Echo is a caller and a server, each with one connection and one channel.
// Messages are transient, replies direct, acknowledgements automatic.
type Echo struct {
	client, server *amqp.Connection
	ch             *amqp.Channel
	queue          string

	mu      sync.Mutex
	next    uint64
	waiting map[string]chan []byte
}

// NewEcho connects both ends.
func NewEcho(url string) (*Echo, error) {
	e := &Echo{queue: "bench.echo", waiting: map[string]chan []byte{}}
	err := e.serve(url)
	if err == nil {
		err = e.connect(url)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the bare round trip: %w", err), e.Close())
	}
	return e, nil
}

func (e *Echo) serve(url string) (err error) {
	if e.server, err = amqp.Dial(url); err != nil {
		return err
	}
	ch, err := e.server.Channel()
	if err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(e.queue, true, true, false, false, nil); err != nil {
		return err
	}
	calls, err := ch.Consume(e.queue, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	go func() {
		for d := range calls {
			// An error is seen by the caller, who gets no reply.
			_ = ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false,
				amqp.Publishing{CorrelationId: d.CorrelationId, ContentType: d.ContentType, Body: d.Body})
		}
	}()
	return nil
}

func (e *Echo) connect(url string) (err error) {
	if e.client, err = amqp.Dial(url); err != nil {
		return err
	}
	if e.ch, err = e.client.Channel(); err != nil {
		return err
	}
	replies, err := e.ch.Consume("amq.rabbitmq.reply-to", "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	go func() {
		for d := range replies {
			e.mu.Lock()
			got := e.waiting[d.CorrelationId]
			delete(e.waiting, d.CorrelationId)
			e.mu.Unlock()
			if got != nil {
				got <- d.Body
			}
		}
	}()
	return nil
}

// Call sends a JSON body and waits for the same.
func (e *Echo) Call(ctx context.Context, body []byte) ([]byte, error) {
	got := make(chan []byte, 1)
	e.mu.Lock()
	e.next++
	id := strconv.FormatUint(e.next, 10)
	e.waiting[id] = got
	e.mu.Unlock()
	err := e.ch.PublishWithContext(ctx, "", e.queue, false, false,
		amqp.Publishing{CorrelationId: id, ReplyTo: "amq.rabbitmq.reply-to", ContentType: "application/json", Body: body})
	if err != nil {
		return nil, err
	}
	select {
	case reply := <-got:
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends both connections.
func (e *Echo) Close() error {
	var err error
	for _, c := range []*amqp.Connection{e.client, e.server} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}
