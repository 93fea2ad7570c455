package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	rabbit "github.com/rabbitmq/amqp091-go"
)

// The set-up that was the fastest of those tried, its queue schema and longer polls
// among them.
const (
	batch = 256              // rows that a forwarder reads at a time
	poll  = time.Millisecond // of an outbox in which nothing was found
)

// pipe is a number of lanes, each an outbox with its forwarder, a queue and its
// consumer: within a lane events keep their order, as those of an aggregate must.
type pipe struct {
	lanes   int
	pool    *pgxpool.Pool
	router  *message.Router
	failed  chan error
	next    atomic.Int64 // lane
	applied atomic.Int64
	lags    lags
	closers []func() error
}

// news is the event: what ours carries, and when it was recorded.
type news struct {
	Order string    `json:"order"`
	Cents int64     `json:"cents"`
	At    time.Time `json:"at"`
}

func open(ctx context.Context, o options) (p *pipe, err error) {
	p = &pipe{lanes: o.lanes, failed: make(chan error, 1+o.lanes)}
	if p.pool, err = pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", o.postgres, o.writers+2*o.lanes)); err != nil {
		return nil, err
	}
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS mill_business (id text NOT NULL PRIMARY KEY)`,
		`CREATE TABLE IF NOT EXISTS mill_inbox (id text NOT NULL PRIMARY KEY)`,
		`CREATE TABLE IF NOT EXISTS mill_effects (id text NOT NULL PRIMARY KEY)`,
	} {
		if _, err := p.pool.Exec(ctx, text); err != nil {
			return nil, err
		}
	}
	if p.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, watermill.NopLogger{}); err != nil {
		return nil, err
	}
	if err := p.consume(o.amqp); err != nil {
		return nil, err
	}
	go func() {
		if err := p.router.Run(ctx); err != nil {
			p.failed <- err
		}
	}()
	select {
	case <-p.router.Running(): // so there are queues
		return p, p.forward(o.amqp)
	case err := <-p.failed:
		return nil, err
	}
}

// onQuorum is a queue that is written down, like ours: messages persistent and
// confirmed.
func (p *pipe) onQuorum(url string) amqp.Config {
	c := amqp.NewDurableQueueConfig(url)
	c.Queue.Arguments = rabbit.Table{"x-queue-type": "quorum"}
	c.Publish.ConfirmDelivery, c.Publish.ChannelPoolSize = true, p.lanes
	c.Consume.Qos.PrefetchCount = 64
	return c
}

// consume gives each lane a consumer, which takes one message at a time.
func (p *pipe) consume(url string) error {
	from, err := amqp.NewSubscriber(p.onQuorum(url), watermill.NopLogger{})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, from.Close)
	for lane := range p.lanes {
		p.router.AddConsumerHandler(fmt.Sprintf("inbox %d", lane), queueOf(lane), from, p.apply)
	}
	return nil
}

// apply writes the inbox and the effect. One statement is one transaction.
func (p *pipe) apply(msg *message.Message) error {
	var n news
	if err := json.Unmarshal(msg.Payload, &n); err != nil {
		return err
	}
	done, err := p.pool.Exec(msg.Context(), `WITH fresh AS (
		INSERT INTO mill_inbox (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id
	) INSERT INTO mill_effects (id) SELECT $2 FROM fresh`, msg.UUID, n.Order)
	if err != nil {
		return err
	}
	if done.RowsAffected() > 0 {
		p.lags.add(time.Since(n.At))
		p.applied.Add(1)
	}
	return nil
}

// equal checks that each cause has its effect, once.
func (p *pipe) equal(ctx context.Context) error {
	var causes, effects int64
	err := p.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM mill_business), (SELECT count(*) FROM mill_effects)`).Scan(&causes, &effects)
	if err == nil && causes != effects {
		err = fmt.Errorf("%d events were published, but %d had their effect", causes, effects)
	}
	return err
}

func (p *pipe) close() error {
	errs := []error{p.router.Close()}
	for _, c := range slices.Backward(p.closers) { // forwarders before what they publish to
		errs = append(errs, c())
	}
	p.pool.Close()
	return errors.Join(errs...)
}

// lags in milliseconds.
type lags struct {
	mu   sync.Mutex
	list []float64
}

func (l *lags) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, float64(d)/float64(time.Millisecond))
}

func (l *lags) take() []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}
