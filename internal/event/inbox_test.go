package event_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func envelope(aggregate string, version int64) event.Envelope {
	data, _ := json.Marshal(counted{N: version})
	return event.Envelope{
		ID: fmt.Sprintf("%s-%d", aggregate, version), Source: "source", Topic: happened.Topic(), Type: happened.Name(),
		AggregateID: aggregate, Version: version, Time: time.Now(), Data: data,
	}
}

func envelopes(aggregate string, versions ...int64) []event.Envelope {
	all := make([]event.Envelope, len(versions))
	for i, v := range versions {
		all[i] = envelope(aggregate, v)
	}
	return all
}

func TestDuplicatesAndDisorderGiveEachEffectOnceInOrder(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			aggregate := fmt.Sprint("a", n)
			last := rapid.Int64Range(1, 8).Draw(rt, "last")
			shuffled := rapid.Permutation(upTo(last)).Draw(rt, "order")
			again := rapid.SliceOfN(rapid.Int64Range(1, last), 0, 5).Draw(rt, "again")
			all := append(envelopes(aggregate, shuffled...), envelopes(aggregate, again...)...)
			for len(all) > 0 {
				k := rapid.IntRange(1, len(all)).Draw(rt, "batch")
				require.NoError(rt, b.consumer.Deliver(t.Context(), all[:k]))
				all = all[k:]
				if rapid.Bool().Draw(rt, "drain") {
					b.drain(t)
				}
			}
			b.drain(t)
			require.Equal(rt, upTo(last), s.effects(t, aggregate))
		})
		left, err := b.consumer.DeadList(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestGapIsWaitedForNotSkipped(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1, 3, 4)))
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("b", 1, 2)))
		b.drain(t)
		require.Equal(t, upTo(1), s.effects(t, "a"))
		require.Equal(t, upTo(2), s.effects(t, "b"))
		stats, err := b.bus.Stats(ctx)
		require.NoError(t, err)
		require.Equal(t, []event.ConsumerStats{{Consumer: "target", Pending: 2}}, stats.Consumers)
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 2)))
		b.drain(t)
		require.Equal(t, upTo(4), s.effects(t, "a"))
	})
}

func TestPoisonIsParkedAndStopsNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.consumer.MaxAttempts = 2
		b.failing(func(m event.Meta) error {
			switch {
			case m.AggregateID == "bad" && m.Version == 2:
				return errors.New("cannot digest this")
			case m.AggregateID == "worse":
				panic("out of my mind")
			}
			return nil
		})
		b.start(t)
		for v := range int64(3) {
			for _, a := range []string{"good", "bad", "worse", "fine"} {
				b.publish(t, a, v+1)
			}
		}
		require.Eventually(t, func() bool {
			stats, err := b.bus.Stats(ctx)
			return err == nil && stats.Consumers[0].Parked == 2 && stats.Sources[0].Unsent == 0
		}, 2*time.Minute, 10*time.Millisecond)
		b.drain(t)
		require.Equal(t, upTo(3), s.effects(t, "good"))
		require.Equal(t, upTo(3), s.effects(t, "fine"))
		require.Equal(t, upTo(1), s.effects(t, "bad"))
		require.Empty(t, s.effects(t, "worse"))
		dead, err := b.consumer.DeadList(ctx, 10)
		require.NoError(t, err)
		require.Len(t, dead, 5) // two parked, three behind them
		reasons := map[string]string{}
		for _, d := range dead[:2] {
			require.Equal(t, "parked", d.State)
			require.Equal(t, 2, d.Attempts)
			reasons[d.Event.AggregateID] = d.Reason
		}
		require.Contains(t, reasons["bad"], "cannot digest this")
		require.Contains(t, reasons["worse"], "out of my mind")

		b.failing(nil)
		n, err := b.consumer.DeadReplay(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		b.drain(t)
		require.Equal(t, upTo(3), s.effects(t, "bad"))
		require.Equal(t, upTo(3), s.effects(t, "worse"))
	})
}

func TestDroppedEventLetsTheOthersGoOn(t *testing.T) {
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
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1, 2, 3)))
		require.Error(t, b.consumer.DeadDrop(ctx, "a-3", "not the first"))
		require.Error(t, b.consumer.DeadDrop(ctx, "a-2", ""))
		require.NoError(t, b.consumer.DeadDrop(ctx, "a-2", "the customer agreed"))
		b.drain(t)
		require.Equal(t, []int64{1, 3}, s.effects(t, "a"))
		gone, err := b.consumer.DeadShow(ctx, "a-2")
		require.NoError(t, err)
		require.Equal(t, "dropped", gone.State)
		require.Equal(t, "the customer agreed; last error: never", gone.Reason)
		again := b.consumer.DeadDrop(ctx, "a-2", "once more")
		require.ErrorIs(t, again, fault.Invalid)
		require.ErrorContains(t, again, "event a-2 was dropped already: the customer agreed")
		require.NotContains(t, again.Error(), "begin with")
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 2, 4)))
		require.Equal(t, []int64{1, 3, 4}, s.effects(t, "a"))
	})
}

// However many events wait behind a parked one, the next delivery looks for its own.
func TestDeliveryBehindAParkedEventReadsNoMoreThanItBrings(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.consumer.MaxAttempts = 1
		b.failing(func(event.Meta) error { return errors.New("never") })
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", upTo(200)...)))
		var read int64
		require.NoError(t, s.target.Conn(ctx).Callback().Query().After("gorm:query").Register("count", func(g *gorm.DB) {
			if g.Statement.Table == "inbox_pending" {
				read += g.RowsAffected
			}
		}))
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 200, 201)))
		require.EqualValues(t, 1, read)
		list, err := b.consumer.DeadList(ctx, 300)
		require.NoError(t, err)
		require.Len(t, list, 201)
	})
}

// An attempt that could not even be recorded is made again in a moment, not once
// its claim has run out.
func TestFailedAttemptGivesItsClaimBack(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.failing(func(event.Meta) error { return errors.New("not now") })
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1, 2)))
		keep := s.refuse(t, "attempts", "TRUE")
		require.Eventually(t, func() bool { // once its time has come
			err := b.consumer.RetryDue(ctx)
			return err != nil && strings.Contains(err.Error(), "keep event")
		}, time.Minute, time.Millisecond)
		giveBack := s.refuse(t, "next_attempt_at", "NEW.next_attempt_at < OLD.next_attempt_at")
		require.ErrorContains(t, b.consumer.RetryDue(ctx), "give due events of target back")
		giveBack()
		keep()
		b.failing(nil)
		require.Empty(t, s.effects(t, "a"))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(2), s.effects(t, "a"))
	})
}

// A connection that is cut in the middle of an attempt is no attempt: events that were
// unlucky would be parked, and nothing was wrong with them.
func TestCutConnectionIsNoAttempt(t *testing.T) {
	t.Parallel()
	url := testenv.PostgresURL(t)
	cluster := testenv.Open(t, database.Config{URL: url})
	source, err := cluster.Module(t.Context(), "source", 4)
	require.NoError(t, err)
	target, err := cluster.Module(t.Context(), "target", 4)
	require.NoError(t, err)
	s := shop{source: source, target: target}
	s.prepare(t)
	admin, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })

	b := s.instance(t)
	b.consumer.MaxAttempts = 1
	cuts := 0
	b.failing(func(m event.Meta) error {
		if m.AggregateID != "unlucky" || cuts == 2 {
			return nil
		}
		cuts++
		_, err := admin.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		return err
	})
	require.NoError(t, b.consumer.Deliver(t.Context(), append(envelopes("a", 1), envelopes("unlucky", 1)...)))
	require.Equal(t, 2, cuts)
	require.Equal(t, upTo(1), s.effects(t, "a"))
	require.Equal(t, upTo(1), s.effects(t, "unlucky"))
}

// Who starts alone does not wait for the claims of a process that died.
func TestStartInheritsAttempts(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		b.failing(func(event.Meta) error { return errors.New("not now") })
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("a", 1)))
		require.NoError(t, s.target.Atomic(ctx, func(ctx context.Context) error { // as if claimed by somebody
			return s.target.Conn(ctx).Exec(`UPDATE inbox_pending SET next_attempt_at = ?`, database.At(time.Now().Add(time.Hour))).Error
		}))
		b.failing(nil)
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Empty(t, s.effects(t, "a"))
		require.NoError(t, b.bus.Inherit(ctx))
		require.NoError(t, b.consumer.RetryDue(ctx))
		require.Equal(t, upTo(1), s.effects(t, "a"))
	})
}

func TestHangingHandlerIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.consumer.MaxAttempts, b.consumer.Deadline = 1, 10*time.Second // enough for the healthy one on a busy machine
		release := make(chan struct{})
		defer close(release)
		b.failing(func(m event.Meta) error {
			if m.AggregateID == "stuck" {
				<-release
			}
			return nil
		})
		require.NoError(t, b.consumer.Deliver(t.Context(), append(envelopes("stuck", 1), envelopes("a", 1)...)))
		require.Equal(t, upTo(1), s.effects(t, "a"))
		dead, err := b.consumer.DeadShow(t.Context(), "stuck-1")
		require.NoError(t, err)
		require.Contains(t, dead.Reason, "did not come back")
	})
}

func TestNoWayOfFailingStopsTheInbox(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.consumer.MaxAttempts = 1
		ways := map[string]func(){
			"goexit": runtime.Goexit,
			"panic":  func() { panic("bytes that are no text: \xff\x00") },
			"long":   func() { panic(strings.Repeat("ü", 50_000)) },
			"bounds": func() { _ = make([]int, 0)[b.consumer.MaxAttempts] },
		}
		b.failing(func(m event.Meta) error {
			if way := ways[m.AggregateID]; way != nil {
				way()
			}
			return nil
		})
		for way := range ways {
			require.NoError(t, b.consumer.Deliver(t.Context(), append(envelopes(way, 1), envelopes("after "+way, 1)...)))
			require.Empty(t, s.effects(t, way))
			require.Equal(t, upTo(1), s.effects(t, "after "+way))
			dead, err := b.consumer.DeadShow(t.Context(), way+"-1")
			require.NoError(t, err)
			require.Equal(t, "parked", dead.State)
		}
	})
}

func TestHandlerWhoseStatementFailsIsKeptEvenIfItHidesIt(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		hide := event.NewConsumer(s.source, time.Now)
		hide.MaxAttempts = 1
		event.On(hide, happened, func(ctx context.Context, m event.Meta, _ counted) error {
			if m.AggregateID == "bad" {
				_ = s.source.Conn(ctx).Exec(`INSERT INTO nowhere VALUES (1)`).Error
			}
			return nil
		})
		require.NoError(t, hide.Deliver(t.Context(), append(envelopes("good", 1), append(envelopes("bad", 1), envelopes("fine", 1)...)...)))
		dead, err := hide.DeadList(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, "bad-1", dead[0].Event.ID)
	})
}

func TestHandlerActsForTheShopInThePublishersTrace(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		var principal port.Principal
		var span trace.SpanContext
		watcher := event.NewConsumer(s.source, time.Now)
		event.On(watcher, happened, func(ctx context.Context, _ event.Meta, _ counted) error {
			principal, span = port.PrincipalFrom(ctx), trace.SpanContextFromContext(ctx)
			return nil
		})
		b.bus.Subscribe(watcher)
		want := trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled,
		})
		ctx := trace.ContextWithSpanContext(t.Context(), want)
		require.NoError(t, s.source.Atomic(ctx, func(ctx context.Context) error {
			return b.outbox.Publish(ctx, happened.New("a", 1, counted{N: 1}))
		}))
		b.drain(t)
		require.Equal(t, port.System("source"), principal)
		require.Equal(t, want.TraceID(), span.TraceID())
		require.Equal(t, want.SpanID(), span.SpanID())
	})
}

func TestTypesWithoutHandlerOnlyMoveTheCursor(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		require.NoError(t, s.source.Atomic(t.Context(), func(ctx context.Context) error {
			return b.outbox.Publish(ctx, happened.New("a", 1, counted{N: 1}), other.New("a", 2, counted{N: 2}), happened.New("a", 3, counted{N: 3}))
		}))
		b.drain(t)
		require.Equal(t, []int64{1, 3}, s.effects(t, "a"))
	})
}
