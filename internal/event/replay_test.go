package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

func (s shop) forgetEffects(t testing.TB) {
	t.Helper()
	require.NoError(t, s.target.Atomic(t.Context(), func(ctx context.Context) error {
		return s.target.Conn(ctx).Exec(`DELETE FROM effects`).Error
	}))
}

func TestReplayRebuildsAReadModel(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		for a := range 30 {
			b.publish(t, fmt.Sprint("a", a), upTo(50)...)
		}
		b.drain(t)
		middle := clock.System()
		b.publish(t, "a1", 51, 52)
		b.drain(t)

		s.forgetEffects(t)
		var last, total int64
		n, err := b.bus.Replay(ctx, "target", time.Time{}, func(done, of int64) { last, total = done, of })
		require.NoError(t, err)
		require.EqualValues(t, 1502, n)
		require.Equal(t, []int64{1502, 1502}, []int64{last, total})
		require.Equal(t, upTo(52), s.effects(t, "a1"))
		require.Equal(t, upTo(50), s.effects(t, "a29"))

		s.forgetEffects(t)
		n, err = b.bus.Replay(ctx, "target", middle, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Equal(t, []int64{51, 52}, s.effects(t, "a1"))
		b.publish(t, "a29", 51) // an aggregate that the replay did not touch goes on
		b.drain(t)
		require.Equal(t, []int64{51}, s.effects(t, "a29"))
	})
}

// A replay since an instant leaves alone what was not applied of the time before it.
func TestReplayKeepsWhatIsOlderAndParked(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 2 || m.AggregateID == "c" {
				return errors.New("not yet")
			}
			return nil
		})
		b.publish(t, "a", 1, 2)
		b.publish(t, "b", 1)
		b.drain(t)
		middle := clock.System()
		b.publish(t, "a", 3)
		b.publish(t, "b", 2) // these two are parked too, but of the time that is replayed
		b.publish(t, "c", 1)
		b.drain(t)
		b.failing(nil)

		_, err := b.bus.Replay(ctx, "target", middle, nil)
		require.NoError(t, err)
		b.drain(t)
		require.Equal(t, upTo(1), s.effects(t, "a"))
		require.Equal(t, upTo(2), s.effects(t, "b"))
		require.Equal(t, upTo(1), s.effects(t, "c"))
		dead, err := b.consumer.DeadList(ctx, 10)
		require.NoError(t, err)
		require.Len(t, dead, 2)
		require.Equal(t, "parked", dead[0].State)
		require.EqualValues(t, 2, dead[0].Event.Version)
		require.Equal(t, "not yet", dead[0].Reason)
		require.EqualValues(t, 3, dead[1].Event.Version)

		_, err = b.consumer.DeadReplay(ctx)
		require.NoError(t, err)
		b.drain(t)
		require.Equal(t, upTo(3), s.effects(t, "a"))
	})
}

// A replay of all that there is frees an aggregate whose next versions are kept nowhere
// any more, once and for all, but not one where an older event waits for a person.
func TestReplayGoesOnWithWhatIsLeft(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		carried, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		carried.Source(b.outbox)
		carried.Attend(b.consumer)
		b.bus = carried
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.AggregateID == "parked" && m.Version == 4 {
				return errors.New("not yet")
			}
			return nil
		})
		came := map[string][]int64{"lost": {1, 2, 3, 10}, "quiet": {1, 2, 3}, "parked": {1, 2, 3, 4, 10}, "gap": {1, 2, 3, 5, 7, 10}, "stranger": {2, 10}}
		for a, versions := range came {
			b.publish(t, a, upTo(10)...)
			log, err := b.outbox.List(ctx, event.Filter{AggregateID: a})
			require.NoError(t, err)
			for _, e := range slices.Backward(log) {
				if slices.Contains(versions, e.Version) {
					require.NoError(t, b.consumer.Deliver(ctx, []event.Envelope{e.Envelope}))
				}
			}
			if a != "stranger" {
				require.Equal(t, upTo(3), s.effects(t, a))
			}
		}
		require.NoError(t, s.source.Atomic(ctx, func(ctx context.Context) error { // retention has dropped all but the last
			conn := s.source.Conn(ctx)
			if err := conn.Exec(`DELETE FROM outbox WHERE version < 10`).Error; err != nil {
				return err
			}
			return conn.Exec(`INSERT INTO outbox_trimmed (one, before) VALUES (1, ?)`, database.At(clock.System())).Error
		}))
		beginning := time.Unix(0, 0)
		_, err = b.bus.Replay(ctx, "target", beginning, nil)
		require.NoError(t, err)
		require.NoError(t, b.consumer.RetryDue(ctx))
		for _, a := range []string{"lost", "gap"} {
			require.Equal(t, upTo(3), s.effects(t, a), "what is older may be there than the date that was asked for")
		}

		s.forgetEffects(t)
		_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, []int64{10}, s.effects(t, "lost"))
		require.Equal(t, []int64{10}, s.effects(t, "quiet"))
		require.Equal(t, []int64{5, 7, 10}, s.effects(t, "gap"))
		require.Equal(t, []int64{2, 10}, s.effects(t, "stranger"))
		require.Empty(t, s.effects(t, "parked"))
		list, err := b.consumer.DeadList(ctx, 10)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, "parked", list[0].State)
		require.EqualValues(t, 4, list[0].Event.Version)
	})
}

// What a person gave up for good has no effect on a replay either, whether the event
// before it goes well at once or not.
func TestReplayLeavesOutWhatWasDropped(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 2 {
				return errors.New("never")
			}
			return nil
		})
		for _, a := range []string{"a", "late"} {
			b.publish(t, a, upTo(3)...)
		}
		b.drain(t)
		dead, err := b.consumer.DeadList(ctx, 10)
		require.NoError(t, err)
		var given []string
		for _, d := range dead {
			if d.State == "parked" {
				given = append(given, d.Event.ID)
				require.NoError(t, b.consumer.DeadDrop(ctx, d.Event.ID, "sent by hand"))
			}
		}
		require.Len(t, given, 2)
		b.drain(t)

		b.consumer.MaxAttempts = 10
		var tried atomic.Bool
		b.failing(func(m event.Meta) error {
			if m.AggregateID == "late" && m.Version == 1 && tried.CompareAndSwap(false, true) {
				return errors.New("not at once")
			}
			return nil
		})
		for range 2 {
			s.forgetEffects(t)
			_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
			require.NoError(t, err)
			require.Equal(t, []int64{1, 3}, s.effects(t, "a"))
			require.Eventually(t, func() bool {
				return b.consumer.RetryDue(ctx) == nil && len(s.effects(t, "late")) == 2
			}, time.Minute, 10*time.Millisecond)
			require.Equal(t, []int64{1, 3}, s.effects(t, "late"))
			for _, id := range given {
				gone, err := b.consumer.DeadShow(ctx, id)
				require.NoError(t, err)
				require.Equal(t, "dropped", gone.State)
			}
		}
		b.publish(t, "a", 4)
		b.publish(t, "late", 4)
		b.drain(t)
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "a"))
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "late"))

		// What stands before it now fails, and is given up too.
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 1 {
				return errors.New("never again")
			}
			return nil
		})
		s.forgetEffects(t)
		_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		dead, err = b.consumer.DeadList(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, "parked", dead[0].State)
		require.NoError(t, b.consumer.DeadDrop(ctx, dead[0].Event.ID, "the customer agreed"))
		b.drain(t)
		require.Equal(t, []int64{3, 4}, s.effects(t, dead[0].Event.AggregateID))
	})
}

// A consumer that never met an aggregate does not begin in its middle, only because a
// replay does.
func TestReplaySkipsNothingOfAnAggregateThatIsNew(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		old, err := event.NewBus(slog.New(slog.DiscardHandler), nil) // does not know the consumer
		require.NoError(t, err)
		old.Source(b.outbox)
		b.publish(t, "a", 1)
		require.NoError(t, old.Drain(t.Context()))
		middle := clock.System()
		b.publish(t, "a", 2)
		require.NoError(t, old.Drain(t.Context()))

		_, err = b.bus.Replay(t.Context(), "target", middle, nil)
		require.NoError(t, err)
		require.Empty(t, s.effects(t, "a"))
		b.start(t) // it is caught up
		require.Eventually(t, func() bool { return len(s.effects(t, "a")) == 2 }, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, upTo(2), s.effects(t, "a"))
	})
}

// A process without the logs of some publishers has a part of what happened: it
// delivers nothing of it, rather than leave a read model with holes.
func TestReplayNeedsEveryLog(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.publish(t, "a", upTo(3)...)
		b.drain(t)
		elsewhere := event.Define[counted]("elsewhere.thing", "elsewhere.happened")
		event.On(b.consumer, elsewhere, func(context.Context, event.Meta, counted) error { return nil })
		_, err := b.bus.Replay(t.Context(), "target", time.Time{}, nil)
		require.ErrorIs(t, err, event.ErrLogAway)
		require.ErrorContains(t, err, "target")
		require.ErrorContains(t, err, "that of elsewhere;")
		require.NotContains(t, err.Error(), "source")
		require.Equal(t, upTo(3), s.effects(t, "a"), "nothing was delivered")
	})
}

func TestReplayBesideTrafficLosesAndDoublesNothing(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		for a := range 20 {
			b.publish(t, fmt.Sprint("a", a), upTo(30)...)
		}
		b.drain(t)
		b.start(t)
		s.forgetEffects(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for v := int64(31); v <= 40; v++ {
				for a := range 20 {
					b.publish(t, fmt.Sprint("b", a), v-30)
				}
			}
		}()
		_, err := b.bus.Replay(t.Context(), "target", time.Time{}, nil)
		require.NoError(t, err)
		<-done
		b.drain(t)
		for a := range 20 {
			require.Equal(t, upTo(30), s.effects(t, fmt.Sprint("a", a)))
			require.Subset(t, s.effects(t, fmt.Sprint("b", a)), upTo(10))
		}
	})
}

func TestNewConsumerIsCaughtUpFromTheLog(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		old, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		outbox := event.NewOutbox(s.source, clock.System, id.V7)
		old.Source(outbox)
		writer := &bundle{shop: s}
		writer.outbox = outbox
		writer.publish(t, "a", upTo(20)...)
		writer.publish(t, "b", upTo(5)...)
		require.NoError(t, old.Drain(t.Context()))

		b := s.instance(t)
		b.publish(t, "a", 21)
		b.start(t)
		require.Eventually(t, func() bool { return len(s.effects(t, "a")) == 21 && len(s.effects(t, "b")) == 5 }, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, upTo(21), s.effects(t, "a"))
	})
}

// What a transport brings is caught up with a log that retention has shortened: an
// event that is parked, and is in the log no more, is not stepped over.
func TestCatchUpStepsOverNothingThatIsParked(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.instance(t)
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b.outbox = event.NewOutbox(s.source, now.Now, id.V7)
		require.NoError(t, b.outbox.MakePartitions(ctx))
		b.consumer.MaxAttempts = 1
		b.failing(func(m event.Meta) error {
			if m.Version == 1 {
				return errors.New("not yet")
			}
			return nil
		})
		b.publish(t, "a", 1)
		b.drain(t)
		now.Advance(40 * 24 * time.Hour)
		require.NoError(t, b.outbox.MakePartitions(ctx))
		b.publish(t, "a", 2)
		b.publish(t, "b", 2) // met for the first time: it begins with what there is
		b.drain(t)
		_, err := b.outbox.Trim(ctx, now.Now().Add(-24*time.Hour))
		require.NoError(t, err)
		left, err := b.outbox.List(ctx, event.Filter{AggregateID: "a"})
		require.NoError(t, err)
		require.Len(t, left, 1)

		carried, err := event.NewBus(slog.New(slog.DiscardHandler), nil) // with a transport from now on
		require.NoError(t, err)
		carried.Source(b.outbox)
		carried.Attend(b.consumer)
		require.NoError(t, b.consumer.Unregister(ctx))
		require.NoError(t, b.consumer.CatchUp(ctx, nothingKept))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Empty(t, s.effects(t, "a"), "version 1 is parked")
		require.Equal(t, []int64{2}, s.effects(t, "b"))

		b.failing(nil)
		n, err := b.consumer.DeadReplay(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(2), s.effects(t, "a"))
	})
}

// nothingKept is a transport that keeps nothing.
func nothingKept(context.Context, []string, func([]event.Envelope) error) error { return nil }

func registered(t *testing.T, s shop) bool {
	t.Helper()
	var n int
	require.NoError(t, s.target.Conn(t.Context()).Raw(`SELECT count(*) FROM inbox_consumers`).Scan(&n).Error)
	return n > 0
}

// An older program relays an event during a rolling start, which the new
// consumer therefore never gets; the next one tells it that something is missing.
func TestMissingEventIsFetchedFromTheLog(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.consumer.GapPatience = 100 * time.Millisecond
		stop := b.start(t)
		b.publish(t, "a", 1)
		require.Eventually(t, func() bool { return registered(t, s) }, 2*time.Minute, 5*time.Millisecond)
		b.drain(t)
		stop()
		old, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		old.Source(b.outbox)
		b.publish(t, "a", 2)
		require.NoError(t, old.Drain(t.Context()))
		b.publish(t, "a", 3)
		b.drain(t)
		require.Equal(t, upTo(1), s.effects(t, "a"))
		b.start(t)
		require.Eventually(t, func() bool { return len(s.effects(t, "a")) == 3 }, 2*time.Minute, 20*time.Millisecond)
		require.Equal(t, upTo(3), s.effects(t, "a"))
	})
}
