package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// unhandled publishes the next event of each of n aggregates, of a type that nobody
// handles.
func (b *bundle) unhandled(t *testing.T, n int, version int64) {
	t.Helper()
	require.NoError(t, b.source.Atomic(t.Context(), func(ctx context.Context) error {
		for i := range n {
			if err := b.outbox.Publish(ctx, other.New(fmt.Sprint("a", i), version, counted{N: version})); err != nil {
				return err
			}
		}
		return nil
	}))
}

// relayed brings what is unsent to the consumer, and does not attend to it.
func (b *bundle) relayed(t *testing.T) {
	t.Helper()
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	bus.Source(b.outbox)
	bus.Sink(b.consumer)
	require.NoError(t, bus.Drain(t.Context()))
}

func (s shop) cursors(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.target.Conn(t.Context()).Raw(`SELECT count(*) FROM inbox_cursors WHERE version > 0`).Scan(&n).Error)
	return n
}

func TestEventsThatNobodyHandlesMoveTheirCursorsTogether(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.consumer.PutOff()
		b.unhandled(t, 10, 1)
		b.relayed(t)
		require.Zero(t, s.cursors(t), "all of them wait")
		b.publish(t, "b", 1)
		b.relayed(t)
		require.Equal(t, upTo(1), s.effects(t, "b"))
		require.Equal(t, 11, s.cursors(t), "they went with the one that has an effect")

		b.unhandled(t, 10, 2)
		b.relayed(t)
		b.publish(t, "a1", 3)
		b.relayed(t)
		require.Equal(t, []int64{3}, s.effects(t, "a1"), "behind the one before it, which was put off")
	})
}

func TestNoMoreThanSoManyArePutOff(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.consumer.PutOff()
		b.unhandled(t, event.PutOffMost+10, 1)
		b.relayed(t)
		require.NotZero(t, s.cursors(t))
		b.drain(t)
		require.Equal(t, event.PutOffMost+10, s.cursors(t), "who drains moves them all")
	})
}

func TestAttendedCursorsAreMovedSoonAndBeforeTheEnd(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		stop := b.start(t)
		require.Eventually(t, func() bool { return registered(t, s) }, 2*time.Minute, 5*time.Millisecond)
		b.unhandled(t, 5, 1)
		require.Eventually(t, func() bool { return s.cursors(t) == 5 }, 2*time.Minute, 10*time.Millisecond)
		b.unhandled(t, 20, 2) // the first of 15 of them is missing: these wait in the inbox
		require.Eventually(t, func() bool {
			stats, err := b.bus.Stats(t.Context())
			return err == nil && stats.Sources[0].Unsent == 0
		}, 2*time.Minute, 5*time.Millisecond)
		stop()
		stats, err := b.bus.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 15, stats.Consumers[0].Pending)
		require.Equal(t, 5, s.cursors(t))
	})
}

// A crash takes cursors that were not moved yet. The next event of each aggregate
// finds the gap, and what is missing is in the log.
func TestCrashBeforeCursorsAreMovedLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		const aggregates = 30
		first := s.instance(t)
		require.NoError(t, first.consumer.Register(t.Context(), first.consumer.Topics()))
		first.consumer.PutOff()
		first.unhandled(t, aggregates, 1)
		first.relayed(t)
		require.Zero(t, s.cursors(t), "they are all lost")

		second := s.instance(t)
		second.consumer.GapPatience = time.Hour // nobody waits for it
		second.start(t)
		for i := range aggregates {
			second.publish(t, fmt.Sprint("a", i), 2)
		}
		require.Eventually(t, func() bool {
			var n int
			err := s.target.Conn(t.Context()).Raw(`SELECT count(*) FROM effects`).Scan(&n).Error
			return err == nil && n == aggregates
		}, 2*time.Minute, 10*time.Millisecond)
		second.drain(t)
		for i := range aggregates {
			require.Equal(t, []int64{2}, s.effects(t, fmt.Sprint("a", i)))
		}
		dead, err := second.consumer.DeadList(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, dead)
	})
}

// Retention may have dropped by then what the crash took: the aggregate goes on with
// what is left, and does not wait for ever.
func TestDroppedBeforeItsCursorHadMoved(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		first := s.instance(t)
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		first.outbox = event.NewOutbox(s.source, now.Now, id.V7)
		require.NoError(t, first.outbox.MakePartitions(t.Context()))
		first.publish(t, "a0", 1)
		first.drain(t)
		first.consumer.PutOff()
		first.unhandled(t, 1, 2)
		first.relayed(t)

		now.Advance(40 * 24 * time.Hour)
		second := s.instance(t)
		second.outbox = event.NewOutbox(s.source, now.Now, id.V7)
		require.NoError(t, second.outbox.MakePartitions(t.Context()))
		_, err := second.outbox.Trim(t.Context(), now.Now().Add(-24*time.Hour))
		require.NoError(t, err)
		left, err := second.outbox.List(t.Context(), event.Filter{AggregateID: "a0"})
		require.NoError(t, err)
		require.Empty(t, left)
		second.consumer.GapPatience = time.Hour
		second.start(t)
		second.publish(t, "a0", 3, 4)
		require.Eventually(t, func() bool { return len(s.effects(t, "a0")) == 3 }, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "a0"))
	})
}

// passed is of an outbox that does not gather.
var passed = event.Define[counted]("target.thing", "shop.passed")

// Events that follow each other closely travel together where the outbox gathers,
// although each could have gone alone.
func TestGatheredEventsTravelTogether(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		const groups, events = 3, 10
		var last, beats int64
		// together publishes groups of events, one after the other, and tells whether all of
		// each group came as one where the outbox waits so long. A relay that waits for another
		// reason brings one group together, but not all of them.
		together := func(gather time.Duration) bool {
			b := s.instance(t)
			b.outbox.Gather(gather)
			quick := event.NewOutbox(s.target, clock.System, id.V7)
			b.bus.Source(quick)
			var mu sync.Mutex
			var came, ahead int64
			fullest := 0
			many := event.NewConsumer(s.source, clock.System)
			event.OnMany(many, happened, func(_ context.Context, all []event.Happened[counted]) error {
				mu.Lock()
				defer mu.Unlock()
				fullest = max(fullest, len(all))
				came = max(came, all[len(all)-1].Data.N)
				return nil
			})
			event.On(many, passed, func(_ context.Context, _ event.Meta, one counted) error {
				mu.Lock()
				defer mu.Unlock()
				ahead = max(ahead, one.N)
				return nil
			})
			b.bus.Subscribe(many)
			stop := b.start(t)
			defer stop()
			until := func(n *int64, want int64) {
				require.Eventually(t, func() bool {
					mu.Lock()
					defer mu.Unlock()
					return *n == want
				}, 2*time.Minute, time.Millisecond)
			}
			publish := func() {
				last++
				b.publish(t, "a", last)
			}
			sent := func() int { // how many came at most as one, until all are sent
				until(&came, last)
				require.Eventually(t, func() bool {
					stats, err := b.bus.Stats(t.Context())
					return err == nil && stats.Sources[0].Unsent == 0
				}, 2*time.Minute, time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				most := fullest
				fullest = 0
				return most
			}
			publish()
			sent() // from here on it runs
			for range groups {
				for range events {
					publish()
					beats++
					require.NoError(t, s.target.Atomic(t.Context(), func(ctx context.Context) error {
						return quick.Publish(ctx, passed.New("q", beats, counted{N: beats}))
					}))
					until(&ahead, beats)
				}
				if sent() < events {
					return false
				}
			}
			return true
		}
		gather := 500 * time.Millisecond
		for ; !together(gather); gather *= 2 { // they take longer on a busy machine
			require.Less(t, gather, 15*time.Second, "they do not travel together")
		}
		s.instance(t).drain(t)
		require.Equal(t, upTo(last), s.effects(t, "a"))
	})
}
