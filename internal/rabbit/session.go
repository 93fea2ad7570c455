package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	heartbeat  = 10 * time.Second       // a broker that says nothing for three of them is gone
	closeTime  = 2 * time.Second        // to say good-bye
	firstPause = 50 * time.Millisecond  // before a new session is built
	longPause  = 5 * time.Second        // the longest of them
	settled    = time.Second            // a session that lived this long was a good one
	ready      = 500 * time.Millisecond // how long a call waits for a session that is being built
)

// session is one connection with everything that lives on it. When any of it
// breaks, all of it is thrown away and a new session is built.
type session struct {
	conn *amqp.Connection
	lost chan struct{} // closed when something broke
	once sync.Once
	why  error // read after lost

	exchange bool // it was there in this session; known to who declares
}

// keep holds a session of the role for as long as ctx lasts: it builds one, uses
// it until it is lost, and builds the next, at longer and longer intervals while
// that fails.
func (b *Broker) keep(ctx context.Context, role string, use func(ctx context.Context, s *session) error) error {
	var pause time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		s, err := b.connect(ctx, role)
		if err == nil {
			b.cfg.Metrics.session(role)
			err = use(ctx, s)
			s.discard()
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			b.trouble.Store(&err)
		}
		if time.Since(began) > settled {
			pause = 0
		}
		pause = min(max(2*pause, firstPause), longPause)
		wait := rand.N(pause) // full jitter: those who were cut off together do not come back together
		b.cfg.Log.WarnContext(ctx, "no session with RabbitMQ", slog.String("role", role), slog.Duration("next", wait), slog.Any("error", err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

func (b *Broker) connect(ctx context.Context, role string) (*session, error) {
	config := amqp.Config{
		Heartbeat:       heartbeat,
		TLSClientConfig: b.tls.Clone(),
		Properties:      amqp.NewConnectionProperties(),
		Dial: func(network, address string) (net.Conn, error) {
			return dialWire(ctx, network, address)
		},
		Recovery: nil, // with it on, an acknowledgement after a reconnect can remove another message
	}
	config.Properties.SetClientConnectionName(b.cfg.Process + " " + role)
	conn, err := amqp.DialConfig(b.cfg.URL, config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", b.Address(), err)
	}
	s := &session{conn: conn, lost: make(chan struct{})}
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	go func() { s.end(reason(<-closed, "the connection was closed")) }()
	return s, nil
}

// channel opens a channel whose end is the session's.
func (s *session) channel() (*amqp.Channel, error) {
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	cancelled := ch.NotifyCancel(make(chan string, 1))
	go func() {
		// Both are closed by the end of the channel, whoever caused it.
		for closed != nil || cancelled != nil {
			select {
			case err := <-closed:
				s.end(reason(err, "a channel was closed"))
				closed = nil
			case tag, ok := <-cancelled:
				if ok {
					s.end(fmt.Errorf("the broker ended the consumer %s: its queue is gone", tag))
				}
				if !ok {
					cancelled = nil
				}
			}
		}
	}()
	return ch, nil
}

func reason(err *amqp.Error, otherwise string) error {
	if err == nil {
		return fmt.Errorf("%s", otherwise)
	}
	return err
}

// end marks the session as lost; the first reason counts.
func (s *session) end(why error) {
	s.once.Do(func() {
		s.why = why
		close(s.lost)
	})
}

// wait blocks until the session is lost, and says why, or ctx ends.
func (s *session) wait(ctx context.Context) error {
	select {
	case <-s.lost:
		return s.why
	case <-ctx.Done():
		return nil
	}
}

// discard closes what is left of it.
func (s *session) discard() {
	_ = s.conn.CloseDeadline(time.Now().Add(closeTime)) // it may be gone already
	s.end(amqp.ErrClosed)
}

// hurry ends the session with ctx, for as long as things are asked of the broker
// that it may never answer. The function that it gives is the end of that.
func (s *session) hurry(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, s.discard)
	return func() { stop() }
}

// exists tells whether the broker has the queue.
func (s *session) exists(queue string) (bool, error) {
	return s.there("queue "+queue, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return err
	})
}

// hasExchange tells whether the broker has it.
func (s *session) hasExchange(name string) (bool, error) {
	return s.there("exchange "+name, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, amqp.ExchangeTopic, true, false, false, false, nil)
	})
}

// there tells whether something is there.
func (s *session) there(what string, ask func(*amqp.Channel) error) (bool, error) {
	err := s.try(ask)
	if refused(err, amqp.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the %s: %w", what, err)
	}
	return true, nil
}

// try does something on a channel of its own: what the broker refuses costs the channel.
func (s *session) try(do func(*amqp.Channel) error) error {
	ch, err := s.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := do(ch); err != nil {
		return err
	}
	return ch.Close()
}

// refused tells whether the broker has refused something for this reason.
func refused(err error, code int) bool {
	var said *amqp.Error
	return errors.As(err, &said) && said.Code == code
}
