package eventstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
)

// lose is a database that fails over to a copy: the last commits are not there, and
// processes have them in their caches.
func (b *bundle) lose(t testing.TB, stream string, from int64) {
	t.Helper()
	b.exec(t, "DELETE FROM stream_events WHERE stream = ? AND version >= ?", stream, from)
	b.exec(t, "DELETE FROM outbox WHERE aggregate_id = ? AND version >= ?", stream, from)
}

// What is recorded next on lost commits makes no gap.
func TestLostCommitsLeaveNoGap(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		b.mustFill(t, "p", 3)
		b.lose(t, "p", 3)
		c, err := b.fill(t.Context(), "p", "", 1)
		require.NoError(t, err)
		require.EqualValues(t, 3, c.Head.Version)
		require.EqualValues(t, 3, c.State.Coins)

		b.lose(t, "p", 2)
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			_, err := b.fill(ctx, "p", "", 1)
			return err
		}))
		l, err := b.replay(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 2, l.Head.Version)
		require.EqualValues(t, 2, l.State.Coins)
	})
}

// Nothing is built on a lost version because another one has its number by now, not
// even where it has its instant too.
func TestLostCommitsAreNotMistaken(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)).Now
		a, other := instance(t, b.db, now, 10), instance(t, b.db, now, 10)
		a.mustFill(t, "p", 3)
		b.lose(t, "p", 3)
		_, err := other.fill(t.Context(), "p", "", 10)
		require.NoError(t, err)
		c, err := a.fill(t.Context(), "p", "", 1)
		require.NoError(t, err)
		require.EqualValues(t, 4, c.Head.Version)
		require.EqualValues(t, 13, c.State.Coins)
		l, err := other.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 13, l.State.Coins)
		folded, err := b.replay(t.Context(), "p")
		require.NoError(t, err)
		require.Equal(t, l, folded)
	})
}

// A cache that is ahead of the database decides nothing either, and shows nothing.
func TestLostCommitsAreNotShown(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		b.mustFill(t, "p", 3)
		_, err := b.empty(t.Context(), "p", "", 3)
		require.NoError(t, err)
		b.lose(t, "p", 4)
		c, err := b.empty(t.Context(), "p", "", 3)
		require.NoError(t, err, "what refuses it is lost")
		require.EqualValues(t, 4, c.Head.Version)

		b.lose(t, "p", 4)
		l, err := b.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 3, l.Head.Version)
		require.EqualValues(t, 3, l.State.Coins)

		b.lose(t, "p", 3)
		_, err = instance(t, b.db, clock.System, 10).fill(t.Context(), "p", "", 10)
		require.NoError(t, err)
		l, err = b.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 12, l.State.Coins, "another one has its number")

		b.lose(t, "p", 1)
		l, err = b.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, l, "nothing is left")
		b.mustFill(t, "p", 1)
	})
}
