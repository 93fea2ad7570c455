package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
)

// elsewhere makes a consumer that a transport feeds, with the log in another process.
func (s shop) elsewhere(t testing.TB, now clock.Clock) *bundle {
	t.Helper()
	b := s.instanceAt(t, now)
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	b.bus = bus
	bus.Attend(b.consumer)
	return b
}

// The beginning of an aggregate may come while it is looked for, and fail.
func TestBeginStepsOverNothingThatCameMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.elsewhere(t, now.Now)
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 1 {
				return errors.New("not yet")
			}
			return nil
		})
		require.NoError(t, b.consumer.Deliver(ctx, append(envelopes("a", 2), envelopes("b", 2)...)))
		now.Advance(2 * time.Minute)
		require.NoError(t, b.consumer.Begin(ctx, func(ctx context.Context, _ []string, _ func([]event.Envelope) error) error {
			return b.consumer.Deliver(ctx, envelopes("a", 1))
		}))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Empty(t, s.effects(t, "a"))
		require.Equal(t, []int64{2}, s.effects(t, "b"))

		b.failing(nil)
		_, err := b.consumer.DeadReplay(ctx)
		require.NoError(t, err)
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(2), s.effects(t, "a"))
	})
}

// Cursors are locked in one order, or two instances wait for each other.
func TestBeginLocksCursorsInOrder(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.elsewhere(t, now.Now)
		var all []event.Envelope
		var want []string
		for i := range 50 {
			aggregate := fmt.Sprintf("a%02d", i)
			all, want = append(all, envelopes(aggregate, 2)...), append(want, aggregate)
		}
		require.NoError(t, b.consumer.Deliver(ctx, all))
		now.Advance(2 * time.Minute)
		var placed []string
		require.NoError(t, s.target.Conn(ctx).Callback().Create().Before("gorm:create").Register("placed", func(g *gorm.DB) {
			rows := g.Statement.ReflectValue
			for i := range rows.Len() {
				placed = append(placed, rows.Index(i).FieldByName("AggregateID").String())
			}
		}))
		require.NoError(t, b.consumer.Begin(ctx, nothingKept))
		require.Equal(t, want, placed)
	})
}

// What the transport had kept may be gone later, and never have come.
func TestBeginAsksAgainWhatWasKept(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.elsewhere(t, now.Now)
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 3)))
		kept, asked := envelopes("a", 1), 0
		begin := func() int {
			before := asked
			require.NoError(t, b.consumer.Begin(ctx, func(_ context.Context, _ []string, fn func([]event.Envelope) error) error {
				asked++
				return fn(kept)
			}))
			require.NoError(t, b.consumer.RetryDue(ctx))
			return asked - before
		}
		now.Advance(2 * time.Minute)
		require.Equal(t, 1, begin())
		now.Advance(30 * time.Minute)
		require.Zero(t, begin(), "it lies among the dead letters")
		now.Advance(time.Hour)
		require.Equal(t, 1, begin(), "perhaps no longer")
		require.Empty(t, s.effects(t, "a"))
		kept = nil
		now.Advance(30 * time.Minute)
		require.Zero(t, begin())
		now.Advance(time.Hour)
		require.Equal(t, 1, begin())
		require.Equal(t, []int64{3}, s.effects(t, "a"))
	})
}

// What was given up is kept by the transport all the same, and awaited by nobody.
func TestBeginDoesNotAwaitWhatWasGivenUp(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.elsewhere(t, now.Now)
		require.NoError(t, b.consumer.Deliver(ctx, append(envelopes("a", 3), envelopes("b", 3)...)))
		require.NoError(t, b.consumer.GiveUp(ctx, envelope("a", 2), "sent by hand", "it kills"))
		now.Advance(2 * time.Minute)
		require.NoError(t, b.consumer.Begin(ctx, func(_ context.Context, _ []string, fn func([]event.Envelope) error) error {
			return fn(append(envelopes("a", 2), envelopes("b", 2)...))
		}))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, []int64{3}, s.effects(t, "a"))
		require.Empty(t, s.effects(t, "b"))
	})
}

// However many gaps nobody can close, those are found that can be closed.
func TestGapsThatStayHideNoOther(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.instance(t)
		b.consumer.GapPatience = 10 * time.Millisecond
		require.NoError(t, b.consumer.Register(ctx, b.consumer.Topics()))
		var all []event.Envelope
		for i := range 3 * event.HeadsAtOnce {
			all = append(all, envelopes(fmt.Sprintf("a%03d", i), 2)...) // no log has the first
		}
		require.NoError(t, b.consumer.Deliver(ctx, all))
		old, err := event.NewBus(slog.New(slog.DiscardHandler), nil) // does not know the consumer
		require.NoError(t, err)
		old.Source(b.outbox)
		b.publish(t, "b", 1)
		require.NoError(t, old.Drain(ctx))
		b.publish(t, "b", 2)
		b.drain(t)
		require.Empty(t, s.effects(t, "b"))
		b.start(t)
		require.Eventually(t, func() bool { return len(s.effects(t, "b")) == 2 }, time.Minute, 10*time.Millisecond)
		require.Equal(t, upTo(2), s.effects(t, "b"))
		require.Empty(t, s.effects(t, "a000"))
	})
}
