package rabbit_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func open(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// putAside puts messages among the dead letters of ledger, and returns once they lie there.
func putAside(t *testing.T, ch *amqp.Channel, bodies ...string) {
	t.Helper()
	require.NoError(t, ch.Confirm(false))
	for _, body := range bodies {
		lies, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", rabbit.DeadQueue("ledger"), true, false,
			amqp.Publishing{MessageId: body, Body: []byte(body), DeliveryMode: amqp.Persistent})
		require.NoError(t, err)
		require.True(t, lies.Wait())
	}
}

// noted takes note of a letter.
func noted(rabbit.DeadLetter) error { return nil }

// lie waits until so many messages lie in a queue: the broker counts when it has the time.
func lie(t *testing.T, url, queue string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return rabbittest.Lying(t, url, queue) == n }, 2*time.Minute, 50*time.Millisecond, queue)
}

// The connection breaks again and again just when a message has been put aside and
// nothing behind it has been acknowledged: it comes again, and is still one letter.
func TestDeadLettersAreNotDoubled(t *testing.T) {
	t.Parallel()
	for way, to := range map[string]rabbittest.To{"what we send is late": rabbittest.Broker, "what we are told is late": rabbittest.Process} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			url := testenv.RabbitMQ(t)
			wire := rabbittest.NewWire(t, url)
			l := newListener(t, wire.URL)
			l.start(t, nil)
			dead := rabbit.DeadQueue("ledger")
			rounds := storm(3, 20)
			for round := range rounds {
				heal := wire.Late(t, to, 400*time.Millisecond)
				rabbittest.Publish(t, url, "shop.thing", fmt.Sprint("garbage", round), fmt.Sprint("no event ", round))
				for began := time.Now(); rabbittest.Lying(t, url, dead) <= round && time.Since(began) < patience; {
					pause(t.Context(), 4*time.Millisecond)
				}
				wire.Cut(t)
				heal()
				// What is applied behind it tells that all before it was taken over.
				rabbittest.Publish(t, url, "shop.thing", "", envelope(t, fmt.Sprint("a", round), 1))
				l.await(t, round+1)
			}
			require.Equal(t, rounds, rabbittest.Lying(t, url, dead), "letters in %s", dead)
		})
	}
}

// Whoever lists dead letters takes them in hand and gives them back. That wears no
// letter out, however often it is done, and what is there twice is one letter.
func TestDeadLettersOutlastTheirReaders(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	_, stop := newListener(t, url).start(t, nil)
	stop()
	putAside(t, open(t, url), "no event", "no event", "another") // a broker that dies can leave two of one
	b := rabbittest.New(t, url)
	for range 30 { // RabbitMQ 4 forgives 20 by itself
		letters, err := b.DeadLetters(t.Context(), "ledger", 10)
		require.NoError(t, err)
		require.Len(t, letters, 2, "letters that lie there, and one of them twice")
	}
	n, err := b.ReplayDead(t.Context(), "ledger", "no event")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	lie(t, url, rabbit.EventQueue("ledger"), 1)
	unnoted := errors.New("not noted")
	require.ErrorIs(t, b.DropDead(t.Context(), "ledger", "another", func(rabbit.DeadLetter) error { return unnoted }), unnoted)
	lie(t, url, rabbit.DeadQueue("ledger"), 1)
	require.NoError(t, b.DropDead(t.Context(), "ledger", "another", noted))
	lie(t, url, rabbit.DeadQueue("ledger"), 0)
}

// A letter that cannot be given back, because its module's queue is not there, stays
// where it is.
func TestLetterThatCannotBeGivenBackStays(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	_, stop := newListener(t, url).start(t, nil)
	stop()
	ch := open(t, url)
	putAside(t, ch, "a")
	_, err := ch.QueueDelete(rabbit.EventQueue("ledger"), false, false, false)
	require.NoError(t, err)
	b := rabbittest.New(t, url)
	n, err := b.ReplayDead(t.Context(), "ledger")
	require.ErrorContains(t, err, "start ledger")
	require.Zero(t, n)
	letters, err := b.DeadLetters(t.Context(), "ledger", 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
}

// Of a letter is known whether it is the event that it says it is: who may put a message
// into any queue cannot have an event of others given up.
func TestLettersThatAreEvents(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	_, stop := newListener(t, url).start(t, nil)
	stop()
	queue, ch := rabbit.EventQueue("ledger"), open(t, url)
	require.NoError(t, ch.Confirm(false))
	genuine, forged := envelope(t, "a", 1), envelope(t, "b", 1)
	rabbittest.Publish(t, url, "shop.thing", "genuine", genuine)
	rabbittest.Reject(t, url, queue)
	past, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false,
		amqp.Publishing{MessageId: "forged", Body: []byte(forged), DeliveryMode: amqp.Persistent})
	require.NoError(t, err)
	require.True(t, past.Wait())
	rabbittest.Reject(t, url, queue)
	putAside(t, ch, "nonsense")
	lie(t, url, rabbit.DeadQueue("ledger"), 3)
	b := rabbittest.New(t, url)
	events := func() map[string]bool {
		letters, err := b.DeadLetters(t.Context(), "ledger", 10)
		require.NoError(t, err)
		is := map[string]bool{}
		for _, l := range letters {
			is[l.ID] = l.Event != nil
			if l.Event != nil {
				require.Equal(t, "a", l.Event.AggregateID)
			}
		}
		return is
	}
	require.Equal(t, map[string]bool{"genuine": true, "forged": false, "nonsense": false}, events())

	n, err := b.ReplayDead(t.Context(), "ledger", "genuine") // and it fails again
	require.NoError(t, err)
	require.Equal(t, 1, n)
	rabbittest.Reject(t, url, queue)
	lie(t, url, rabbit.DeadQueue("ledger"), 3)
	require.Equal(t, map[string]bool{"genuine": true, "forged": false, "nonsense": false}, events())
}
