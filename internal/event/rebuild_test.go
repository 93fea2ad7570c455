package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
)

// rebuilt counts what a rebuilding gets.
type rebuilt struct {
	events   int64
	finished func()
}

func (r *rebuilt) Apply(_ context.Context, events []event.Envelope) error {
	r.events += int64(len(events))
	return nil
}

func (r *rebuilt) Finish(context.Context) error {
	if r.finished != nil {
		r.finished()
	}
	return nil
}

func (r *rebuilt) Abandon(context.Context) error { return nil }

// transported is an instance with the log whose consumer a transport feeds.
func (s shop) transported(t *testing.T) *bundle {
	t.Helper()
	b := s.instance(t)
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	b.bus = bus
	bus.Source(b.outbox)
	bus.Attend(b.consumer)
	return b
}

// bring delivers some versions of an aggregate, as the log has them.
func (b *bundle) bring(t *testing.T, aggregate string, versions ...int64) {
	t.Helper()
	log, err := b.outbox.List(t.Context(), event.Filter{AggregateID: aggregate})
	require.NoError(t, err)
	of := map[int64]event.Envelope{}
	for _, e := range log {
		of[e.Version] = e.Envelope
	}
	for _, v := range versions {
		require.NoError(t, b.consumer.Deliver(t.Context(), []event.Envelope{of[v]}))
	}
}

// trim takes events out of the log, as retention does.
func (b *bundle) trim(t *testing.T, aggregate string, before int64) {
	t.Helper()
	require.NoError(t, b.source.Atomic(t.Context(), func(ctx context.Context) error {
		conn := b.source.Conn(ctx)
		if err := conn.Exec(`DELETE FROM outbox WHERE aggregate_id = ? AND version < ?`, aggregate, before).Error; err != nil {
			return err
		}
		return conn.Exec(`INSERT INTO outbox_trimmed (one, before) VALUES (1, ?) ON CONFLICT DO NOTHING`, database.At(clock.System())).Error
	}))
}

// lose takes events out of the middle of the log.
func (b *bundle) lose(t *testing.T, aggregate string, versions ...int64) {
	t.Helper()
	require.NoError(t, b.source.Atomic(t.Context(), func(ctx context.Context) error {
		return b.source.Conn(ctx).Exec(`DELETE FROM outbox WHERE aggregate_id = ? AND version IN ?`, aggregate, versions).Error
	}))
}

// A consumer that is built anew keeps its inbox. Where that waits for an event which
// was lost to it, the log has it, or nobody has, and it goes on.
func TestRebuildGoesOnBehindWhatWasLost(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.transported(t)
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.AggregateID == "parked" && m.Version == 4 {
				return errors.New("not yet")
			}
			return nil
		})
		built := &rebuilt{}
		b.consumer.Rebuild = func(context.Context, time.Time) (event.Rebuilding, error) { return built, nil }
		for _, a := range []string{"lost", "parked", "trimmed"} {
			b.publish(t, a, upTo(6)...)
		}
		b.bring(t, "lost", 1, 2, 3, 5)
		b.bring(t, "parked", 1, 2, 3, 4, 5)
		b.bring(t, "trimmed", 1, 2, 3, 5)
		b.trim(t, "trimmed", 5)
		b.publish(t, "gone", upTo(6)...)
		b.bring(t, "gone", 1, 2, 3, 5)
		b.trim(t, "gone", 7)
		b.publish(t, "odd", upTo(6)...)
		b.bring(t, "odd", 1, 2, 3, 5)
		b.lose(t, "odd", 4, 5)

		_, err := b.bus.Replay(ctx, "target", time.Unix(0, 0), nil)
		require.NoError(t, err)
		require.NoError(t, b.consumer.RetryDue(ctx))
		for _, a := range []string{"lost", "parked", "trimmed", "gone", "odd"} {
			require.Equal(t, upTo(3), s.effects(t, a), "a part was asked for, and that is not all")
		}

		built.events = 0
		n, err := b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		require.EqualValues(t, 18, n)
		require.EqualValues(t, 18, built.events)
		require.NoError(t, b.consumer.RetryDue(ctx))
		for _, a := range []string{"lost", "parked", "trimmed"} {
			b.bring(t, a, 6)
		}
		require.Equal(t, upTo(6), s.effects(t, "lost"))
		require.Equal(t, upTo(3), s.effects(t, "parked"))
		require.Equal(t, []int64{1, 2, 3, 5, 6}, s.effects(t, "trimmed"))
		require.Equal(t, []int64{1, 2, 3, 5}, s.effects(t, "gone"))
		require.Equal(t, upTo(3), s.effects(t, "odd"), "no retention leaves what is older: the log was restored, say, and they may happen anew")
	})
}

// However many gaps nobody can close, a replay looks at all of them.
func TestRebuildLooksAtEveryGap(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.transported(t)
		b.consumer.Rebuild = func(context.Context, time.Time) (event.Rebuilding, error) { return &rebuilt{}, nil }
		var stay []event.Envelope
		for i := range 2 * event.HeadsAtOnce {
			stay = append(stay, envelopes(fmt.Sprintf("a%03d", i), 2)...) // no log has the first
		}
		require.NoError(t, b.consumer.Deliver(t.Context(), stay))
		b.publish(t, "b", 1, 2)
		b.bring(t, "b", 2)
		_, err := b.bus.Replay(t.Context(), "target", time.Time{}, nil)
		require.NoError(t, err)
		require.NoError(t, b.consumer.RetryDue(t.Context()))
		require.Equal(t, upTo(2), s.effects(t, "b"))
		require.Empty(t, s.effects(t, "a000"))
	})
}

// What was missing may come while it is looked for in the log, and fail.
func TestRebuildStepsOverNothingThatCameMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.transported(t)
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 4 {
				return errors.New("not yet")
			}
			return nil
		})
		b.publish(t, "a", upTo(5)...)
		log, err := b.outbox.List(ctx, event.Filter{AggregateID: "a"}) // newest first
		require.NoError(t, err)
		b.bring(t, "a", 1, 2, 3, 5)
		b.trim(t, "a", 5)
		var looked, came atomic.Bool
		require.NoError(t, s.source.Conn(ctx).Callback().Query().After("gorm:query").Register("meanwhile", func(*gorm.DB) {
			if looked.CompareAndSwap(true, false) {
				came.Store(b.consumer.Deliver(ctx, []event.Envelope{log[1].Envelope}) == nil)
			}
		}))
		b.consumer.Rebuild = func(context.Context, time.Time) (event.Rebuilding, error) {
			return &rebuilt{finished: func() { looked.Store(true) }}, nil
		}
		_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		require.True(t, came.Load())
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(3), s.effects(t, "a"))

		b.failing(nil)
		n, err := b.consumer.DeadReplay(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(5), s.effects(t, "a"))
	})
}

// Replays beside each other, and beside an instance that is at work, apply nothing twice
// or out of order, although all of them close the same gaps.
func TestRebuildBesideLiveInstances(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b, other, live := s.transported(t), s.transported(t), s.transported(t)
		for _, c := range []*event.Consumer{b.consumer, other.consumer} {
			c.Rebuild = func(context.Context, time.Time) (event.Rebuilding, error) { return &rebuilt{}, nil }
		}
		live.consumer.GapPatience = time.Hour
		const aggregates = 20
		for i := range aggregates {
			for _, kind := range []string{"lost", "gone"} {
				a := fmt.Sprint(kind, i)
				b.publish(t, a, upTo(8)...)
				b.bring(t, a, 1, 3, 4, 6, 8)
			}
			b.trim(t, fmt.Sprint("gone", i), 8)
		}
		live.start(t)
		all := func() bool {
			for i := range aggregates {
				if len(s.effects(t, fmt.Sprint("lost", i))) < 8 || len(s.effects(t, fmt.Sprint("gone", i))) < 5 {
					return false
				}
			}
			return true
		}
		for began := time.Now(); !all() && time.Since(began) < 2*time.Minute; { // where a live one is quicker, a gap may be left behind it
			done := make(chan error, 1)
			go func() {
				_, err := other.bus.Replay(ctx, "target", time.Time{}, nil)
				done <- err
			}()
			_, err := b.bus.Replay(ctx, "target", time.Time{}, nil)
			require.NoError(t, errors.Join(err, <-done))
		}
		for i := range aggregates {
			require.Equal(t, upTo(8), s.effects(t, fmt.Sprint("lost", i)))
			require.Equal(t, []int64{1, 3, 4, 6, 8}, s.effects(t, fmt.Sprint("gone", i)))
		}
	})
}
