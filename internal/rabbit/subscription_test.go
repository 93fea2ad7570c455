package rabbit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Who subscribes for the first time gets what happened before, from the stream.
func TestFirstSubscriptionIsCaughtUp(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newPublisher(t, url)
	work(t, p.bus, p.broker)
	p.record(t, "old", 1, 700)
	p.sent(t)
	l := newListener(t, url)
	_, stop := l.start(t, nil)
	p.record(t, "old", 701, 720)
	l.await(t, 720)
	require.Equal(t, upTo(720), l.effects(t, "old"))

	stop() // nobody listens for a while: the queue keeps what comes
	p.record(t, "old", 721, 730)
	p.sent(t)
	l.start(t, nil)
	l.await(t, 730)
}

// A shop has sold in one process for a while, then a broker comes, and a module that
// listens for the first time: what happened before is not in the stream, but in the log.
func TestFirstSubscriptionReadsTheLogOfItsProcess(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	p.record(t, "old", 1, 5)
	p.alone(t)
	p.hears(l)
	work(t, p.bus, p.broker)
	l.await(t, 5)
	p.record(t, "old", 6, 7)
	l.await(t, 7)
	require.Equal(t, upTo(7), l.effects(t, "old"))
}

// Where the log is in another process, an aggregate begins with the first version that
// the stream has. One of which the stream has an earlier one waits for it.
func TestAggregatesBeginWhereTheStreamDoes(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	for _, a := range []string{"old", "older", "oldest"} {
		p.record(t, a, 1, 3)
	}
	p.alone(t)
	work(t, p.bus, p.broker)
	p.record(t, "old", 4, 6)
	p.record(t, "young", 1, 2)
	p.sent(t)
	impatient := func(c *event.Consumer) { c.GapPatience = time.Millisecond }
	_, stop := l.start(t, impatient)
	l.await(t, 5)
	require.Equal(t, []int64{4, 5, 6}, l.effects(t, "old"))
	p.record(t, "older", 4, 5) // by the queue, when the stream was read
	l.await(t, 7)
	require.Equal(t, []int64{4, 5}, l.effects(t, "older"))

	stop()
	p.record(t, "lost", 1, 1)
	p.sent(t)
	_, err := open(t, url).QueuePurge(rabbit.EventQueue("ledger"), false)
	require.NoError(t, err)
	p.record(t, "lost", 2, 2)
	p.sent(t)
	p.record(t, "oldest", 4, 4)
	p.sent(t)
	l.start(t, impatient)
	l.await(t, 8)
	require.Equal(t, []int64{4}, l.effects(t, "oldest"))
	require.Empty(t, l.effects(t, "lost"), "it did not wait for what is in the stream")
}

var stocked = event.Define[counted]("shop.stock", "shop.stocked")

// Versions run side by side, and the older one, which has the queue in its hands, does
// not listen to a topic that the newer one has bound. What it takes of that topic
// has its effect in the newer one.
func TestOlderVersionTakesWhatOnlyTheNewerOneListensTo(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	work(t, p.bus, p.broker)
	older, b, bus := event.NewConsumer(l.db, clock.System), rabbittest.New(t, url), newBus(t)
	taken := make(chan struct{}, 10)
	event.On(older, stocked, func(context.Context, event.Meta, counted) error { taken <- struct{}{}; return nil })
	b.Consume(older)
	bus.Attend(older)
	stop := work(t, bus, b)
	newer, _ := l.start(t, func(c *event.Consumer) {
		event.On(c, stocked, func(context.Context, event.Meta, counted) error { return nil })
	})
	require.Eventually(t, func() bool {
		fresh, err := newer.Unregistered(t.Context())
		return err == nil && len(fresh) == 0
	}, patience, 10*time.Millisecond)
	p.record(t, "a", 1, 1)
	p.sent(t)
	require.NoError(t, p.db.Atomic(t.Context(), func(ctx context.Context) error {
		return p.outbox.Publish(ctx, stocked.New("x", 1, counted{1}))
	}))
	<-taken // and so is what was before it in the queue
	require.Zero(t, rabbittest.Lying(t, url, rabbit.EventQueue("ledger")))
	stop()
	l.await(t, 1)
	p.record(t, "a", 2, 3)
	l.await(t, 3)
	require.Equal(t, upTo(3), l.effects(t, "a"))
}

// A queue that is deleted under a live consumer takes what was in it away; the
// stream brings it back.
func TestQueueDeletedUnderALiveConsumer(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	work(t, p.bus, p.broker)
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	l.start(t, nil)
	// Its transaction is held up, so that events pile up in the queue.
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.failing(func(context.Context, event.Meta) error {
		once.Do(func() { close(held); <-release })
		return nil
	})
	for a := range 600 {
		p.record(t, fmt.Sprint("a", a), 1, 1)
	}
	p.sent(t)
	<-held
	lost, err := ch.QueueDelete(rabbit.EventQueue("ledger"), false, false, false)
	require.NoError(t, err)
	require.Positive(t, lost, "nothing was in the queue: the hard case was not hit")
	close(release)
	l.await(t, 600)
	p.record(t, "after", 1, 3)
	l.await(t, 603)
}

// A process does not wait for its queues to be bound, and what it records leaves only
// then: here its queue cannot be made until somebody has deleted another of that name.
func TestNothingIsPublishedBeforeOurQueuesAreBound(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	ch := open(t, url)
	_, err := ch.QueueDeclare(rabbit.DeadQueue("ledger"), true, false, false, false, amqp.Table{"x-queue-type": "classic"})
	require.NoError(t, err)
	var said lines
	p, l := newPublisher(t, url), newListener(t, url)
	p.broker, err = rabbit.New(rabbit.Config{URL: url, Log: slog.New(slog.NewTextHandler(&said, nil))})
	require.NoError(t, err)
	p.broker.Publish(rabbit.Source{Module: "shop", Retention: 24 * time.Hour})
	p.bus = newBus(t)
	p.bus.Source(p.outbox)
	p.bus.Sink(p.broker.Sink())
	p.hears(l)
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range append(p.broker.Tasks(), p.bus.Tasks()...) {
		tasks.Go(func() { _ = task.Run(ctx) })
	}
	t.Cleanup(func() { cancel(); tasks.Wait() })
	p.record(t, "a", 1, 3)
	require.Eventually(t, func() bool { return strings.Count(said.String(), "dead.ledger") > 3 }, patience, time.Millisecond)
	list, err := p.outbox.List(t.Context(), event.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, e := range list {
		require.Nil(t, e.SentAt, "it left before the queue was bound")
	}
	_, err = ch.QueueDelete(rabbit.DeadQueue("ledger"), false, false, false)
	require.NoError(t, err)
	l.await(t, 3)
}
