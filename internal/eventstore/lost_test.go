package eventstore_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
)

// lose is a database that fails over to a copy: the last commits are not there, and
// processes have them in their caches.
func (b *bundle) lose(t testing.TB, stream string, from int64) {
	t.Helper()
	b.exec(t, "DELETE FROM stream_events WHERE stream = ? AND version >= ?", stream, from)
	b.exec(t, "DELETE FROM outbox WHERE aggregate_id = ? AND version >= ?", stream, from)
}

// fallBack is a failover that loses all events after a position, which come again.
func (b *bundle) fallBack(t testing.TB, position int64) {
	t.Helper()
	b.exec(t, "DELETE FROM stream_events WHERE position > ?", position)
	if b.db.Dialect() == database.SQLite {
		b.exec(t, "UPDATE sqlite_sequence SET seq = ? WHERE name = 'stream_events'", position)
		return
	}
	b.exec(t, "SELECT setval(pg_get_serial_sequence('stream_events', 'position'), ?, false)", position+1)
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

// A snapshot that is due when its events are lost is not written; and one that was
// written is as good as none.
func TestLostCommitsLeaveNoSnapshot(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		for _, stream := range []string{"p", "other", "q"} { // their snapshots are written in this order
			b.mustFill(t, stream, 10)
		}
		b.lose(t, "p", 10)
		b.lose(t, "other", 10)
		_, err := instance(t, b.db, clock.System, 10).fill(t.Context(), "other", "", 10)
		require.NoError(t, err)
		b.run(t, b.store.Snapshots())
		snapshots := func(stream string) int64 {
			return b.count(t, "SELECT COUNT(*) FROM stream_snapshots WHERE stream = ?", stream)
		}
		require.Eventually(t, func() bool { return snapshots("q") == 1 }, patience, 10*time.Millisecond)
		require.Zero(t, snapshots("p"))
		require.Zero(t, snapshots("other"), "its version 10 is another one")
		_, err = b.fill(t.Context(), "p", "", 5)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return snapshots("p") == 1 }, patience, 10*time.Millisecond, "that of the new version 10 is")
		l, err := instance(t, b.db, clock.System, 10).purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 14, l.State.Coins)

		b.lose(t, "q", 10)
		for range 2 { // from the start, and on another version 10
			other := instance(t, b.db, clock.System, 10)
			_, err = other.fill(t.Context(), "q", "", 5)
			require.NoError(t, err)
		}
		folded, err := b.replay(t.Context(), "q")
		require.NoError(t, err)
		require.EqualValues(t, 19, folded.State.Coins)
		past, err := b.purses.To(t.Context(), "q", 10)
		require.NoError(t, err)
		require.EqualValues(t, 14, past.State.Coins)
		past, err = b.purses.At(t.Context(), "q", time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, folded, past)
	})
}

// A batch that was read before a failover is applied only where all of it is there
// afterwards: else the rows would have what never was, and what has its positions by
// then would be left out.
func TestLostCommitsAreNotApplied(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lose  func(t *testing.T, b *bundle)
		coins int64
	}{
		"the last ones, and others come": {func(t *testing.T, b *bundle) {
			b.fallBack(t, 1)
			other := instance(t, b.db, clock.System, 10)
			for range 2 {
				_, err := other.fill(t.Context(), "new", "", 10)
				require.NoError(t, err)
			}
		}, 21},
		"one that committed late": {func(t *testing.T, b *bundle) {
			b.exec(t, "DELETE FROM stream_events WHERE position = 2")
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, b *bundle) {
				withTotals(t, b)
				for _, stream := range []string{"a", "b", "c"} {
					b.mustFill(t, stream, 1)
				}
				lose := sync.OnceFunc(func() { tc.lose(t, b) })
				types, err := eventstore.NewRegistry(eventstore.Type[filled]("purse.filled").Since(func(data json.RawMessage) (json.RawMessage, error) {
					lose() // it was read, and the transaction has not begun
					return data, nil
				}))
				require.NoError(t, err)
				reading := eventstore.New(b.db, types, clock.System, slog.New(slog.DiscardHandler))
				f := eventstore.NewFeed(reading, []eventstore.Projection{totals{bundle: b}.projection("totals")})
				b.run(t, f.Task())
				caughtUp(t, f)
				coins, _ := b.total(t, f, "totals")
				require.Equal(t, tc.coins, coins)
			})
		})
	}
}
