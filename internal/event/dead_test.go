package event_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// What a transport keeps, because processes died of it, is given up like what the inbox
// has: what waits behind it goes on, and it has no effect, however it comes again.
func TestEventThatATransportKeepsIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.transported(t)
		b.publish(t, "a", upTo(4)...)
		log, err := b.outbox.List(ctx, event.Filter{AggregateID: "a"}) // newest first
		require.NoError(t, err)
		letter := log[2].Envelope
		b.bring(t, "a", 1, 3)
		require.ErrorIs(t, b.consumer.GiveUp(ctx, letter, "", "it kills"), fault.Invalid)
		require.NoError(t, b.consumer.GiveUp(ctx, letter, "sent by hand", "it kills"))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, []int64{1, 3}, s.effects(t, "a"))
		gone, err := b.consumer.DeadShow(ctx, letter.ID)
		require.NoError(t, err)
		require.Equal(t, "dropped", gone.State)
		require.Equal(t, "sent by hand; last error: it kills", gone.Reason)

		require.NoError(t, b.consumer.GiveUp(ctx, letter, "once more", "it kills"), "who could not empty the queue repeats it")
		again, err := b.consumer.DeadShow(ctx, letter.ID)
		require.NoError(t, err)
		require.Equal(t, gone.Reason, again.Reason)
		b.bring(t, "a", 2, 4)
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "a"))
		s.forgetEffects(t)
		_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "a"))

		require.NoError(t, b.consumer.GiveUp(ctx, log[0].Envelope, "too late", "it kills"))
		_, err = b.consumer.DeadShow(ctx, log[0].ID)
		require.ErrorIs(t, err, fault.NotFound, "it has had its effect")
	})
}

// What is given up before its turn is passed over in its turn, also where no log is at hand.
func TestWhatIsGivenUpEarlyIsPassedOver(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.elsewhere(t, clock.System)
		b.consumer.GapPatience = 10 * time.Millisecond
		for _, e := range append(envelopes("a", 2, 3), envelopes("b", 1)...) {
			require.NoError(t, b.consumer.GiveUp(ctx, e, "sent by hand", "it kills"))
		}
		require.NoError(t, b.consumer.Deliver(ctx, append(envelopes("a", 4), envelopes("b", 2, 4)...)))
		require.Equal(t, []int64{2}, s.effects(t, "b"))
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1)))
		require.NoError(t, b.consumer.GiveUp(ctx, envelope("b", 3), "sent by hand", "it kills"))
		b.start(t)
		require.Eventually(t, func() bool { return len(s.effects(t, "a")) == 2 && len(s.effects(t, "b")) == 2 }, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, []int64{1, 4}, s.effects(t, "a"))
		require.Equal(t, []int64{2, 4}, s.effects(t, "b"))
	})
}

// Who drops an event while an instance applies it has his way only where that has not:
// PostgreSQL lets both begin, SQLite one after the other.
func TestGivenUpOrAppliedNotBoth(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.elsewhere(t, clock.System)
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1)))
		given := make(chan error, 1)
		b.failing(func(m event.Meta) error {
			if m.Version != 2 {
				return nil
			}
			b.failing(nil)
			go func() { given <- b.consumer.GiveUp(ctx, envelope("a", 2), "sent by hand", "it kills") }()
			if s.target.Dialect() == database.SQLite {
				return nil
			}
			err := <-given
			given <- err
			return nil
		})
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 2)))
		require.NoError(t, <-given)
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 3)))
		_, err := b.consumer.DeadShow(ctx, "a-2")
		if s.target.Dialect() == database.SQLite {
			require.ErrorIs(t, err, fault.NotFound)
			require.Equal(t, upTo(3), s.effects(t, "a"))
		} else {
			require.NoError(t, err)
			require.Equal(t, []int64{1, 3}, s.effects(t, "a"))
		}
	})
}

// Another instance applies what comes before, just while an event is given up that is not
// next: by then it is, and nothing that waits behind it stays.
func TestGivenUpWhileTheCursorMoves(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newShop(t, testenv.Postgres(t)) // a file has one writer at a time
	b, other := s.elsewhere(t, clock.System), s.elsewhere(t, clock.System)
	require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1, 4)))
	var moves atomic.Int64
	moved := func(g *gorm.DB) {
		if strings.Contains(g.Statement.SQL.String(), "inbox_cursors") && moves.Add(1) == 1 {
			require.NoError(t, other.consumer.Deliver(ctx, envelopes("a", 2)))
		}
	}
	require.NoError(t, s.target.Conn(ctx).Callback().Query().After("gorm:query").Register("test:moved", moved))
	require.NoError(t, b.consumer.GiveUp(ctx, envelope("a", 3), "sent by hand", "it kills"))
	require.Greater(t, moves.Load(), int64(1))
	require.NoError(t, b.consumer.RetryDue(ctx))
	require.Equal(t, []int64{1, 2, 4}, s.effects(t, "a"))
}
