package rabbit

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// outbound is the publishing connection of a process.
type outbound struct {
	*session
	calls   *lane // calls and, on the same channel, the replies to them
	replies *lane // our replies to others
	waiting *waiting

	mu     sync.Mutex
	events map[string]*confirmed // by the module that publishes
}

// lane is a channel that one goroutine uses at a time.
type lane struct {
	mu sync.Mutex
	ch *amqp.Channel
}

func (l *lane) publish(exchange, key string, mandatory bool, p amqp.Publishing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ch.PublishWithContext(context.Background(), exchange, key, mandatory, false, p)
}

// publishing uses one session for all that this process sends.
func (b *Broker) publishing(ctx context.Context, s *session) error {
	defer s.hurry(ctx)()
	o := &outbound{session: s, waiting: newWaiting(), events: map[string]*confirmed{}}
	ch, err := s.channel()
	if err != nil {
		return err
	}
	o.calls = &lane{ch: ch}
	returns := ch.NotifyReturn(make(chan amqp.Return, 1024))
	answers, err := ch.Consume(replyTo, "", true, true, false, false, nil)
	if err != nil {
		return fmt.Errorf("listen for replies: %w", err)
	}
	if ch, err = s.channel(); err != nil {
		return err
	}
	o.replies = &lane{ch: ch}
	if err := b.declareSources(ctx, s); err != nil {
		return err
	}
	for _, source := range b.sources { // now, so that no publisher has to wait for a broker that hangs
		if _, err := o.channelOf(source.Module); err != nil {
			return err
		}
	}
	blockings := s.conn.NotifyBlocked(make(chan amqp.Blocking, 16))
	var readers sync.WaitGroup
	readers.Go(func() {
		for r := range returns {
			o.waiting.resolve(r.CorrelationId, answer{returned: true})
		}
	})
	readers.Go(func() {
		for d := range answers {
			if !o.waiting.resolve(d.CorrelationId, answer{reply: d}) {
				b.cfg.Metrics.late()
			}
		}
	})
	readers.Go(func() {
		for blocked := range blockings {
			b.blocked(ctx, blocked)
		}
	})
	b.out.open(o)
	err = s.wait(ctx)
	b.out.shut()
	s.discard()
	readers.Wait()
	return err
}

func (b *Broker) blocked(ctx context.Context, now amqp.Blocking) {
	if !now.Active {
		b.cfg.Log.WarnContext(ctx, "RabbitMQ takes messages again")
		b.out.block("")
		return
	}
	b.cfg.Log.WarnContext(ctx, "RabbitMQ takes no messages now", "reason", now.Reason)
	b.cfg.Metrics.blocked()
	b.out.block(orElse(now.Reason, "it did not say why"))
}

func orElse[T comparable](v, unset T) T {
	var none T
	if v == none {
		return unset
	}
	return v
}
