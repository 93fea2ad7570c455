package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestCommittedEventHasItsEffect(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.start(t)
		b.publish(t, "a", 1)
		require.Eventually(t, func() bool { return len(s.effects(t, "a")) == 1 }, 2*time.Minute, 5*time.Millisecond)
		b.publish(t, "a", 2, 3, 4)
		b.drain(t)
		require.Equal(t, upTo(4), s.effects(t, "a"))
	})
}

func TestRolledBackTransactionLeavesNoEvent(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		broken := errors.New("changed its mind")
		err := s.source.Atomic(t.Context(), func(ctx context.Context) error {
			require.NoError(t, b.outbox.Publish(ctx, happened.New("a", 1, counted{N: 1})))
			return broken
		})
		require.ErrorIs(t, err, broken)
		b.drain(t)
		require.Empty(t, s.effects(t, "a"))
		b.publish(t, "a", 1)
		b.drain(t)
		require.Equal(t, upTo(1), s.effects(t, "a"))
	})
}

// An event is written where the change is, not after it: whoever dies between the
// two would have changed something and told nobody.
func TestEventIsInTheTransactionOfTheChange(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		require.NoError(t, s.source.Atomic(t.Context(), func(ctx context.Context) error {
			if err := b.outbox.Publish(ctx, happened.New("a", 1, counted{N: 1})); err != nil {
				return err
			}
			var rows int64
			err := s.source.Conn(ctx).Raw(`SELECT COUNT(*) FROM outbox`).Scan(&rows).Error
			require.EqualValues(t, 1, rows)
			return err
		}))
	})
}

func TestPublishOutsideATransactionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		require.ErrorIs(t, b.outbox.Publish(t.Context(), happened.New("a", 1, counted{})), database.ErrOutsideAtomic)
	})
}

func TestManyAggregatesKeepTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.start(t)
		for v := int64(1); v <= 10; v++ {
			for a := range 40 {
				b.publish(t, fmt.Sprint("a", a), v)
			}
		}
		b.drain(t)
		for a := range 40 {
			require.Equal(t, upTo(10), s.effects(t, fmt.Sprint("a", a)))
		}
	})
}

// A transaction that began first and commits last has the smaller ids. Where the
// relay has gone past them by then, it must come back. Only PostgreSQL can do
// this: SQLite has one writer at a time.
func TestLateCommitIsNotSkipped(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		if s.source.Dialect() != database.Postgres {
			b.publish(t, "late", 1)
			b.drain(t)
			require.Equal(t, upTo(1), s.effects(t, "late"))
			return
		}
		require.NoError(t, s.source.Atomic(t.Context(), func(ctx context.Context) error {
			if err := b.outbox.Publish(ctx, happened.New("late", 1, counted{N: 1})); err != nil {
				return err
			}
			for n := range 20 { // of every lane, most likely
				b.publish(t, fmt.Sprint("early", n), 1)
			}
			b.drain(t)
			require.Equal(t, upTo(1), s.effects(t, "early0"))
			require.Empty(t, s.effects(t, "late"))
			return nil
		}))
		b.start(t)
		require.Eventually(t, func() bool { return len(s.effects(t, "late")) == 1 }, 2*time.Minute, 10*time.Millisecond)
	})
}

// unsteady is a way out that takes its time, and fails now and then.
type unsteady struct {
	mu       sync.Mutex
	under    int
	calls    int
	arrived  map[string][]int64 // versions of each aggregate, in order
	together bool               // two batches were on their way at once
}

func (u *unsteady) Name() string     { return "unsteady" }
func (u *unsteady) Topics() []string { return nil }

func (u *unsteady) Deliver(ctx context.Context, events []event.Envelope) error {
	u.mu.Lock()
	u.under++
	u.calls++
	u.together = u.together || u.under > 1
	fails := u.calls%4 == 2
	u.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Millisecond): // so that whoever does not wait for it is ahead of it
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.under--
	if fails {
		return errors.New("the way is closed")
	}
	for _, e := range events {
		u.arrived[e.AggregateID] = append(u.arrived[e.AggregateID], e.Version)
	}
	return nil
}

// What leaves while something fails comes again, and never before what stands in
// front of it.
func TestBacklogKeepsItsOrder(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		const aggregates, versions = 20, 300
		for a := range aggregates {
			b.publish(t, fmt.Sprint("a", a), upTo(versions)...)
		}
		out := &unsteady{arrived: map[string][]int64{}}
		bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		bus.Source(b.outbox)
		bus.Sink(out)
		require.NoError(t, bus.Drain(t.Context()))
		require.Greater(t, out.calls, 8)
		require.False(t, out.together, "a batch left before the last had arrived")
		repeated := 0
		for a := range aggregates {
			next := int64(1)
			for _, v := range out.arrived[fmt.Sprint("a", a)] {
				require.LessOrEqual(t, v, next, "it came before what stands in front of it")
				if v == next {
					next++
				} else {
					repeated++
				}
			}
			require.EqualValues(t, versions+1, next)
		}
		require.Zero(t, repeated, "what had arrived before the way was closed is marked")
	})
}

// The machine of the database vanishes while an event is applied, and another one takes
// its address: nothing closes the connections of before.
func TestRelayOutlastsConnectionsThatFallSilent(t *testing.T) {
	t.Parallel()
	url := testenv.PostgresURL(t)
	line := testenv.NewLine(t, url)
	reach := func(cfg database.Config) shop {
		cluster := testenv.Open(t, cfg)
		source, err := cluster.Module(t.Context(), "source", 4)
		require.NoError(t, err)
		target, err := cluster.Module(t.Context(), "target", 4)
		require.NoError(t, err)
		return shop{source: source, target: target}
	}
	here, there := reach(database.Config{URL: url}), reach(database.Config{URL: line.URL, Silence: 3 * time.Second})
	here.prepare(t)
	b := there.instance(t)
	var mute sync.Once
	b.failing(func(m event.Meta) error {
		if m.Version == 2 {
			mute.Do(line.Mute)
		}
		return nil
	})
	b.start(t)
	writer := here.instance(t)
	writer.publish(t, "a", upTo(3)...)
	require.Eventually(t, func() bool { return len(here.effects(t, "a")) == 3 }, 2*time.Minute, 10*time.Millisecond)
	writer.publish(t, "a", 4)
	require.Eventually(t, func() bool { return len(here.effects(t, "a")) == 4 }, 2*time.Minute, 10*time.Millisecond)
	require.Equal(t, upTo(4), here.effects(t, "a"))
}
