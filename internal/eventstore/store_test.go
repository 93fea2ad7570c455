package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestAppendNeedsTheHead(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		var head, two eventstore.Head
		ctx := port.WithPrincipal(t.Context(), port.Principal{Subject: "ada"})
		require.NoError(t, b.db.Atomic(ctx, func(ctx context.Context) error {
			recorded, err := b.store.Append(ctx, "p", head, "first", filled{5}, emptied{2, "tea"})
			require.NoError(t, err)
			require.EqualValues(t, 2, recorded[1].Version)
			two = recorded[1].Head()
			return nil
		}))
		err := b.db.Atomic(ctx, func(ctx context.Context) error {
			_, err := b.store.Append(ctx, "p", head, "", filled{1})
			return err
		})
		var conflict *eventstore.Conflict
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "p", conflict.Stream)
		require.Zero(t, conflict.Expected)

		events, err := b.store.Read(t.Context(), "p", 0, 10)
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, filled{5}, events[0].Event)
		require.Equal(t, emptied{2, "tea"}, events[1].Event)
		require.Equal(t, "ada", events[0].Actor)
		require.Less(t, events[0].Position, events[1].Position)

		err = b.db.Atomic(ctx, func(ctx context.Context) error {
			_, err := b.store.Append(ctx, "p", two, "first", filled{1})
			return err
		})
		require.ErrorAs(t, err, &conflict, "a command is recorded once")
		_, err = b.store.Append(ctx, "p", two, "", filled{1})
		require.ErrorIs(t, err, database.ErrOutsideAtomic)
		err = b.db.Atomic(ctx, func(ctx context.Context) error {
			_, err := b.store.Append(ctx, "p", two, "", struct{ Odd int }{})
			return err
		})
		require.ErrorIs(t, err, eventstore.ErrUnknownType)
	})
}

// What is too much for one statement is one append all the same.
func TestAppendOfMany(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		many := make([]any, 2001)
		for i := range many {
			many[i] = filled{1}
		}
		b.mustFill(t, "p", 1)
		c, err := b.purses.Change(t.Context(), "p", "many", func(eventstore.Loaded[purse]) ([]any, error) { return many, nil }, nil)
		require.NoError(t, err)
		require.Len(t, c.Recorded, len(many))
		l, err := b.replay(t.Context(), "p")
		require.NoError(t, err)
		require.Equal(t, c.Loaded, l)
		b.mustFill(t, "p", 1)
	})
}

func TestWhatIsPublishedIsAtomicWithTheEvents(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		_, err := b.fill(t.Context(), "p", "", 5)
		require.NoError(t, err)
		boom := errors.New("boom")
		_, err = b.purses.Change(t.Context(), "p", "", func(eventstore.Loaded[purse]) ([]any, error) { return []any{filled{1}}, nil },
			func(ctx context.Context, c eventstore.Change[purse]) error {
				return errors.Join(b.publish(ctx, c), boom)
			})
		require.ErrorIs(t, err, boom)
		_, err = b.empty(t.Context(), "p", "", 5)
		require.NoError(t, err)
		require.EqualValues(t, 2, b.count(t, "SELECT COUNT(*) FROM stream_events"))
		require.EqualValues(t, 2, b.count(t, "SELECT COUNT(*) FROM outbox"))
		l, err := b.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, l.State.Coins)
	})
}

func TestCommandsAreRecordedOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		other := instance(t, b.db, clock.System, 10)
		_, err := b.fill(t.Context(), "p", "in", 5)
		require.NoError(t, err)
		first, err := b.empty(t.Context(), "p", "out", 5)
		require.NoError(t, err)
		require.False(t, first.Repeated)
		for _, instance := range []*bundle{b, other, b} {
			again, err := instance.empty(t.Context(), "p", "out", 5)
			require.NoError(t, err, "although the purse is empty by now")
			require.True(t, again.Repeated)
			require.Equal(t, first.State, again.State)
			require.Equal(t, first.Head.Version, again.Head.Version)
			_, err = b.fill(t.Context(), "p", "in", 5)
			require.NoError(t, err)
		}
		_, err = b.fill(t.Context(), "p", "more", 7)
		require.NoError(t, err)
		again, err := other.empty(t.Context(), "p", "out", 5)
		require.NoError(t, err)
		require.Zero(t, again.State.Coins, "the state as it was after it")
		require.EqualValues(t, 3, b.count(t, "SELECT COUNT(*) FROM stream_events"))
	})
}

// A cache may be behind another instance. It decides nothing by itself.
func TestNothingIsRefusedOnAnOldState(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		other := instance(t, b.db, clock.System, 10)
		b.mustFill(t, "p", 1) // cached as 1 coin
		_, err := other.fill(t.Context(), "p", "", 9)
		require.NoError(t, err)
		_, err = b.empty(t.Context(), "p", "", 10)
		require.NoError(t, err)
		_, err = other.empty(t.Context(), "p", "", 5)
		require.ErrorIs(t, err, errPoor, "and nothing is allowed on one")
		l, err := other.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, l.State.Coins)
	})
}

// Two instances with 8 writers each, on 3 streams, taking out what is there: no
// purse goes below zero, and no version is there twice or missing.
func TestWritersRace(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		two := []*bundle{b, instance(t, b.db, clock.System, 10)}
		for s := range 3 {
			_, err := b.fill(t.Context(), fmt.Sprint("p", s), "", 60)
			require.NoError(t, err)
		}
		var taken, refused atomic.Int64
		var group errgroup.Group
		for w := range 16 {
			group.Go(func() error {
				for i := range 20 {
					_, err := two[w%2].empty(t.Context(), fmt.Sprint("p", i%3), fmt.Sprint(w, "/", i), 1)
					switch {
					case err == nil:
						taken.Add(1)
					case errors.Is(err, errPoor):
						refused.Add(1)
					default:
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.EqualValues(t, 180, taken.Load())
		require.EqualValues(t, 140, refused.Load())
		for s := range 3 {
			l, err := b.replay(t.Context(), fmt.Sprint("p", s))
			require.NoError(t, err)
			require.Zero(t, l.State.Coins)
			require.EqualValues(t, 61, l.Head.Version)
		}
		require.EqualValues(t, 183, b.count(t, "SELECT COUNT(*) FROM outbox"))
	})
}

func TestChangeJoinsATransaction(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		boom := errors.New("boom")
		require.ErrorIs(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			_, err := b.fill(ctx, "p", "a", 5)
			require.NoError(t, err)
			_, err = b.empty(ctx, "p", "b", 2)
			require.NoError(t, err, "it sees what it wrote")
			return boom
		}), boom)
		l, err := b.purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.Zero(t, l.Head.Version, "nothing is left, in the cache neither")
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			_, err := b.fill(ctx, "p", "a", 5)
			return err
		}))
		_, err = b.empty(t.Context(), "p", "b", 5)
		require.NoError(t, err)
	})
}

// The state at an instant is what was recorded by then. Clocks that disagree or go
// back never make a later version older.
func TestStateAtAnInstant(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		prepare(t, db)
		start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		ahead, behind := clock.NewFake(start), clock.NewFake(start.Add(-time.Hour))
		a, b := instance(t, db, ahead.Now, 3), instance(t, db, behind.Now, 3)
		for i := range 10 {
			_, err := []*bundle{a, b}[i%2].fill(t.Context(), "p", "", 1)
			require.NoError(t, err)
			ahead.Advance(time.Minute)
			behind.Advance(time.Minute)
		}
		events, err := b.store.Read(t.Context(), "p", 0, 100)
		require.NoError(t, err)
		for i, e := range events {
			if i > 0 {
				require.False(t, e.At.Before(events[i-1].At), "version %d", e.Version)
			}
		}
		before, err := a.purses.At(t.Context(), "p", start.Add(-time.Microsecond))
		require.NoError(t, err)
		require.Zero(t, before.Head.Version)
		for minute := range 10 {
			at := start.Add(time.Duration(minute) * time.Minute)
			var want int64
			for _, e := range events {
				if !e.At.After(at) {
					want++
				}
			}
			l, err := a.purses.At(t.Context(), "p", at)
			require.NoError(t, err)
			require.Equal(t, want, l.State.Coins, at)
		}
	})
}

func TestSnapshotsSaveTimeOnly(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		b.run(t, b.store.Snapshots())
		b.mustFill(t, "p", 25)
		require.Eventually(t, func() bool { return b.count(t, "SELECT COUNT(*) FROM stream_snapshots") == 2 }, patience, 10*time.Millisecond)
		// An amount that is only in the snapshot proves that it was read.
		b.exec(t, `UPDATE stream_snapshots SET data = '{"coins":1020}' WHERE version = 20`)
		b.exec(t, `UPDATE stream_snapshots SET data = '{"coins":510}' WHERE version = 10`)
		l, err := instance(t, b.db, clock.System, 10).purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 1025, l.State.Coins)
		past, err := b.purses.To(t.Context(), "p", 15)
		require.NoError(t, err)
		require.EqualValues(t, 515, past.State.Coins, "from the snapshot before it")

		b.exec(t, `UPDATE stream_snapshots SET data = 'torn' WHERE version = 20`)
		l, err = instance(t, b.db, clock.System, 10).purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 25, l.State.Coins, "one that cannot be read is as good as none")

		b.exec(t, `UPDATE stream_snapshots SET data = '{"coins":5}', schema = 2`)
		l, err = instance(t, b.db, clock.System, 10).purses.Load(t.Context(), "p")
		require.NoError(t, err)
		require.EqualValues(t, 25, l.State.Coins, "one of another schema is left alone")
	})
}

// Whatever the history, snapshots and cache give what the fold gives.
func TestEveryWayGivesTheFold(t *testing.T) {
	t.Parallel()
	db := testenv.SQLite(t, "test")
	prepare(t, db)
	var runs atomic.Int64
	kept := func() int64 {
		return instance(t, db, clock.System, 0).count(t, "SELECT COUNT(*) FROM stream_snapshots")
	}
	rapid.Check(t, func(r *rapid.T) {
		b := instance(t, db, clock.System, rapid.IntRange(0, 4).Draw(r, "every"))
		stream := fmt.Sprint("p", runs.Add(1))
		var want int64
		for i, n := range rapid.SliceOfN(rapid.Int64Range(-20, 20), 1, 8).Draw(r, "changes") {
			if rapid.Bool().Draw(r, "restart") {
				b = instance(t, db, clock.System, 3)
				b.run(t, b.store.Snapshots())
			}
			var err error
			if n >= 0 {
				_, err = b.fill(t.Context(), stream, fmt.Sprint(i), n)
				want += n
			} else if _, err = b.empty(t.Context(), stream, fmt.Sprint(i), -n); err == nil {
				want += n
			} else if errors.Is(err, errPoor) && want < -n {
				err = nil
			}
			require.NoError(t, err)
			cached, err := b.purses.Load(t.Context(), stream)
			require.NoError(t, err)
			folded, err := b.replay(t.Context(), stream)
			require.NoError(t, err)
			require.Equal(t, folded, cached)
			require.Equal(t, want, folded.State.Coins)
		}
	})
	require.Positive(t, kept(), "no snapshot was ever made: nothing was tested")
}

func TestQueueOfAStreamIsFairAndEnds(t *testing.T) {
	t.Parallel()
	db := testenv.SQLite(t, "test")
	prepare(t, db)
	b := instance(t, db, clock.System, 0)
	inside, goOn := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		_, _ = b.purses.Change(t.Context(), "p", "", func(eventstore.Loaded[purse]) ([]any, error) {
			close(inside)
			<-goOn
			return nil, nil
		}, nil)
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.fill(ctx, "p", "", 1)
	require.ErrorIs(t, err, context.Canceled, "who gives up waiting is let go")
	_, err = b.fill(t.Context(), "q", "", 1)
	require.NoError(t, err, "another stream waits for nobody")
	close(goOn)
	done.Wait()
	_, err = b.fill(t.Context(), "p", "", 1)
	require.NoError(t, err)
}
