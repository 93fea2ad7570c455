package rabbit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

type counted struct {
	N int64 `json:"n"`
}

var happened = event.Define[counted]("shop.thing", "shop.happened")

// publisher is a process of the module "shop", which publishes.
type publisher struct {
	db     *database.DB
	outbox *event.Outbox
	broker *rabbit.Broker
	bus    *event.Bus
}

func newPublisher(t *testing.T, url string) *publisher {
	t.Helper()
	p := &publisher{db: testenv.SQLite(t, "shop"), broker: rabbittest.New(t, url), bus: newBus(t)}
	require.NoError(t, p.db.Migrate(t.Context(), event.OutboxMigrations()))
	p.outbox = event.NewOutbox(p.db, clock.System, id.V7)
	p.broker.Publish(rabbit.Source{Module: "shop", Retention: 90 * 24 * time.Hour})
	p.bus.Source(p.outbox)
	p.bus.Sink(p.broker.Sink())
	return p
}

// hears puts a listener into the publisher's process.
func (p *publisher) hears(l *listener) {
	consumer := event.NewConsumer(l.db, clock.System)
	event.On(consumer, happened, l.apply)
	p.broker.Consume(consumer)
	p.bus.Attend(consumer)
}

// alone sends what is in the outbox as a shop without a broker does.
func (p *publisher) alone(t *testing.T) {
	t.Helper()
	bus := newBus(t)
	bus.Source(p.outbox)
	require.NoError(t, bus.Drain(t.Context()))
}

func newBus(t *testing.T) *event.Bus {
	t.Helper()
	bus, err := event.NewBus(slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	require.NoError(t, err)
	return bus
}

func (p *publisher) record(t *testing.T, aggregate string, from, to int64) {
	t.Helper()
	var events []event.Event
	for v := from; v <= to; v++ {
		events = append(events, happened.New(aggregate, v, counted{v}))
	}
	require.NoError(t, p.db.Atomic(t.Context(), func(ctx context.Context) error { return p.outbox.Publish(ctx, events...) }))
}

// sent waits until the outbox is empty.
func (p *publisher) sent(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, p.bus.Drain(ctx))
}

// work runs the tasks of a bus beside a broker's until stop.
func work(t *testing.T, bus *event.Bus, b *rabbit.Broker) (stop func()) {
	t.Helper()
	stopBroker := rabbittest.Run(t, b)
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range bus.Tasks() {
		tasks.Go(func() { _ = task.Run(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); tasks.Wait(); stopBroker() })
	t.Cleanup(stop)
	return stop
}

// listener is the data of the module "ledger", which listens; its processes come and go.
type listener struct {
	db   *database.DB
	url  string
	fail atomic.Pointer[func(ctx context.Context, m event.Meta) error]
}

func newListener(t *testing.T, url string) *listener {
	t.Helper()
	return prepare(t, &listener{db: testenv.SQLite(t, "ledger"), url: url})
}

// prepare makes the tables of a listener.
func prepare(t *testing.T, l *listener) *listener {
	t.Helper()
	require.NoError(t, l.db.Migrate(t.Context(), event.InboxMigrations()))
	require.NoError(t, l.db.Atomic(t.Context(), func(ctx context.Context) error {
		return l.db.Conn(ctx).Exec(`CREATE TABLE effects (seq integer PRIMARY KEY AUTOINCREMENT, aggregate text NOT NULL, version bigint NOT NULL)`).Error
	}))
	return l
}

func (l *listener) start(t *testing.T, set func(*event.Consumer)) (consumer *event.Consumer, stop func()) {
	t.Helper()
	consumer = event.NewConsumer(l.db, clock.System)
	if set != nil {
		set(consumer)
	}
	event.On(consumer, happened, l.apply)
	b, bus := rabbittest.New(t, l.url), newBus(t)
	b.Consume(consumer)
	bus.Attend(consumer)
	return consumer, work(t, bus, b)
}

// apply is the handler.
func (l *listener) apply(ctx context.Context, m event.Meta, data counted) error {
	if fail := l.fail.Load(); fail != nil {
		if err := (*fail)(ctx, m); err != nil {
			return err
		}
	}
	return l.db.Conn(ctx).Exec(`INSERT INTO effects (aggregate, version) VALUES (?, ?)`, m.AggregateID, data.N).Error
}

func (l *listener) failing(fn func(ctx context.Context, m event.Meta) error) { l.fail.Store(&fn) }

func (l *listener) effects(t *testing.T, aggregate string) []int64 {
	t.Helper()
	var versions []int64
	require.NoError(t, l.db.Conn(t.Context()).Raw(`SELECT version FROM effects WHERE aggregate = ? ORDER BY seq`, aggregate).Scan(&versions).Error)
	return versions
}

func (l *listener) count(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, l.db.Conn(t.Context()).Raw(`SELECT count(*) FROM effects`).Scan(&n).Error)
	return n
}

// await waits until there are as many effects in all, and checks that there are no more.
func (l *listener) await(t *testing.T, want int) {
	t.Helper()
	n, moved := 0, time.Now()
	for n < want && time.Since(moved) < patience { // patience is for the next effect, not for all
		before := n
		n = l.count(t)
		if n != before {
			moved = time.Now()
		}
		pause(t.Context(), 40*time.Millisecond)
	}
	require.Equal(t, want, n, "effects")
}

func upTo(n int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i) + 1
	}
	return all
}

func TestEventsHaveTheirEffectOnceAndInOrder(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	l.start(t, nil)
	l.start(t, nil) // a second process shares the queue
	work(t, p.bus, p.broker)
	for round := range int64(10) {
		for a := range 20 {
			p.record(t, fmt.Sprint("a", a), round*5+1, round*5+5)
		}
	}
	l.await(t, 1000)
	for a := range 20 {
		require.Equal(t, upTo(50), l.effects(t, fmt.Sprint("a", a)))
	}
}

// envelope is an event as the shop would have sent it.
func envelope(t *testing.T, aggregate string, version int64) string {
	t.Helper()
	body, err := json.Marshal(event.Envelope{
		ID: id.V7(), Source: "shop", Topic: "shop.thing", Type: "shop.happened", AggregateID: aggregate, Version: version,
		Time: time.Now(), Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, version)),
	})
	require.NoError(t, err)
	return string(body)
}

func TestDuplicatesInAnyOrder(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	l := newListener(t, url)
	l.start(t, nil)
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	var messages []amqp.Publishing
	for a := range 10 {
		for v := range int64(10) {
			body := envelope(t, fmt.Sprint("a", a), v+1)
			for range 3 {
				messages = append(messages, amqp.Publishing{Body: []byte(body), DeliveryMode: amqp.Persistent})
			}
		}
	}
	rand.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	for _, m := range messages {
		require.NoError(t, ch.PublishWithContext(t.Context(), rabbit.EventsExchange, "shop.thing", true, false, m))
	}
	l.await(t, 100)
	for a := range 10 {
		require.Equal(t, upTo(10), l.effects(t, fmt.Sprint("a", a)))
	}
}

// Of 1,000 events one always fails, one panics, one hangs, and one message is no
// event at all: they end where a person finds them, and stop nobody else.
func TestPoison(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	work(t, p.bus, p.broker)
	l.failing(func(ctx context.Context, m event.Meta) error {
		switch m.AggregateID {
		case "a100":
			return errors.New("cannot be done")
		case "a500":
			panic("ouch")
		case "a900":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	consumer, _ := l.start(t, func(c *event.Consumer) { c.MaxAttempts, c.Deadline = 2, 2*time.Second })
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	for a := range 1000 {
		if a == 300 {
			require.NoError(t, ch.PublishWithContext(t.Context(), rabbit.EventsExchange, "shop.thing", true, false,
				amqp.Publishing{MessageId: "garbage", Body: []byte("no event"), DeliveryMode: amqp.Persistent}))
		}
		p.record(t, fmt.Sprint("a", a), 1, 1)
	}
	l.await(t, 997)
	var parked []string
	require.Eventually(t, func() bool {
		dead, err := consumer.DeadList(t.Context(), 10)
		require.NoError(t, err)
		parked = nil
		for _, d := range dead {
			if d.State == "parked" {
				parked = append(parked, d.Event.AggregateID)
			}
		}
		return len(parked) == 3
	}, patience, 20*time.Millisecond)
	require.ElementsMatch(t, []string{"a100", "a500", "a900"}, parked)

	b := rabbittest.New(t, url)
	var letters []rabbit.DeadLetter
	require.Eventually(t, func() bool {
		letters, err = b.DeadLetters(t.Context(), "ledger", 10)
		require.NoError(t, err)
		return len(letters) == 1
	}, patience, 20*time.Millisecond)
	require.Equal(t, "garbage", letters[0].ID)
	require.Contains(t, letters[0].Reason, "read an event")
	n, err := b.ReplayDead(t.Context(), "ledger") // it is no event the second time either
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Eventually(t, func() bool { return b.DropDead(t.Context(), "ledger", "garbage", noted) == nil }, patience, 20*time.Millisecond)
	letters, err = b.DeadLetters(t.Context(), "ledger", 10)
	require.NoError(t, err)
	require.Empty(t, letters)

	l.failing(func(context.Context, event.Meta) error { return nil })
	_, err = consumer.DeadReplay(t.Context())
	require.NoError(t, err)
	l.await(t, 1000)
}
