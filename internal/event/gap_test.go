package event_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
