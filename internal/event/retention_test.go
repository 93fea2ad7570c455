package event_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestRetentionDropsOldSentEventsOnly(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.instance(t)
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		outbox := event.NewOutbox(s.source, now.Now, id.V7)
		require.NoError(t, outbox.MakePartitions(ctx))
		b.outbox = outbox
		b.publish(t, "a", upTo(10)...)
		b.drain(t)
		now.Advance(31 * 24 * time.Hour)
		require.NoError(t, outbox.MakePartitions(ctx))
		b.publish(t, "a", 11)
		before := now.Now().Add(-24 * time.Hour)
		dropped, err := outbox.Trim(ctx, before)
		require.NoError(t, err)
		if s.source.Dialect() == database.Postgres {
			require.EqualValues(t, 4, dropped) // that month, and three empty ones of the migration
		} else {
			require.EqualValues(t, 10, dropped)
		}
		now.Advance(60 * 24 * time.Hour)
		_, err = outbox.Trim(ctx, now.Now())
		require.NoError(t, err)
		b.drain(t) // version 11 was old, but not sent yet
		require.Equal(t, upTo(11), s.effects(t, "a"))
		list, err := outbox.List(ctx, event.Filter{AggregateID: "a"})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.EqualValues(t, 11, list[0].Version)
		require.NotNil(t, list[0].SentAt)

		// A consumer that comes after the beginning was dropped starts with what is left.
		late := event.NewConsumer(s.source, clock.System)
		seen := make(chan int64, 20)
		event.On(late, happened, func(_ context.Context, m event.Meta, _ counted) error {
			seen <- m.Version
			return nil
		})
		b.bus.Subscribe(late)
		b.start(t)
		require.EqualValues(t, 11, <-seen)
	})
}

// Of a topic whose events carry the whole state, the last event of each aggregate
// outlives retention, so a read model can be made anew from what is left.
func TestRetentionKeepsTheLastStateOfEach(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		b := s.instance(t)
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		outbox := event.NewOutbox(s.source, now.Now, id.V7).KeepLatest(happened.Topic())
		b.outbox = outbox
		later := func() {
			require.NoError(t, outbox.MakePartitions(ctx))
			_, err := outbox.Trim(ctx, now.Now().Add(-24*time.Hour))
			require.NoError(t, err)
		}
		later()
		b.publish(t, "a", upTo(10)...)
		b.publish(t, "b", upTo(3)...)
		b.publish(t, "c", 1)
		b.drain(t)
		for range 4 { // month after month, in which b changes once
			now.Advance(40 * 24 * time.Hour)
			later()
			if len(s.effects(t, "b")) == 3 {
				b.publish(t, "b", 4)
				b.drain(t)
			}
		}
		left := map[string][]int64{}
		list, err := outbox.List(ctx, event.Filter{})
		require.NoError(t, err)
		for _, e := range list {
			left[e.AggregateID] = append(left[e.AggregateID], e.Version)
		}
		require.Equal(t, map[string][]int64{"a": {10}, "b": {4}, "c": {1}}, left)

		s.forgetEffects(t)
		_, err = b.bus.Replay(ctx, "target", time.Time{}, nil)
		require.NoError(t, err)
		require.Equal(t, []int64{10}, s.effects(t, "a"))
		require.Equal(t, []int64{4}, s.effects(t, "b"))
		require.Equal(t, []int64{1}, s.effects(t, "c"))
		b.publish(t, "a", 11)
		b.drain(t)
		require.Equal(t, []int64{10, 11}, s.effects(t, "a"))
	})
}

// Publishers do not wait while it is found out what stays of a month.
func TestRetentionLocksNoPublisherOutWhileItLooks(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Postgres(t))
	ctx := t.Context()
	b := s.instance(t)
	now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
	outbox := event.NewOutbox(s.source, now.Now, id.V7).KeepLatest(happened.Topic())
	b.outbox = outbox
	require.NoError(t, outbox.MakePartitions(ctx))
	for _, a := range []string{"a", "b", "c"} {
		b.publish(t, a, 1, 2)
	}
	b.drain(t)
	now.Advance(70 * 24 * time.Hour)
	require.NoError(t, outbox.MakePartitions(ctx))
	b.publish(t, "c", 3)
	b.drain(t)

	var looked int64
	probe := func(g *gorm.DB) {
		if !strings.Contains(g.Statement.SQL.String(), "outbox AS newer") {
			return
		}
		looked++
		require.NoError(t, s.source.Atomic(ctx, func(ctx context.Context) error {
			if err := s.source.Conn(ctx).Exec(`SET LOCAL lock_timeout = '1s'`).Error; err != nil {
				return err
			}
			return outbox.Publish(ctx, happened.New("busy", looked, counted{N: looked}))
		}))
	}
	on := s.source.Conn(ctx).Callback()
	require.NoError(t, on.Query().Before("gorm:query").Register("probe", probe))
	require.NoError(t, on.Row().Before("gorm:row").Register("probe", probe))
	require.NoError(t, on.Raw().Before("gorm:raw").Register("probe", probe))
	_, err := outbox.Trim(ctx, now.Now().Add(-24*time.Hour))
	require.NoError(t, err)
	require.Positive(t, looked)
	b.drain(t)
	require.Equal(t, upTo(looked), s.effects(t, "busy"))
	for aggregate, left := range map[string]int64{"a": 2, "b": 2, "c": 3} {
		list, err := outbox.List(ctx, event.Filter{AggregateID: aggregate})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, left, list[0].Version)
	}
}
