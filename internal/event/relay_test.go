package event_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
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
