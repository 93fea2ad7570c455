package event_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// forgotten are the findings of an older log, by the aggregate, and how many cursors
// were compared.
func (b *bundle) forgotten(t *testing.T) (found map[string]string, examined int) {
	t.Helper()
	found = map[string]string{}
	examined = b.audit(t, "events.nothing_forgotten", func(subject, detail string) {
		found[strings.TrimPrefix(subject, happened.Topic()+" ")] = detail
	})
	return found, examined
}

// forget takes events of an aggregate above a version out of the log, as an older copy of
// the data has not got them.
func (b *bundle) forget(t *testing.T, aggregate string, above int64) {
	t.Helper()
	require.NoError(t, b.source.Atomic(t.Context(), func(ctx context.Context) error {
		done := b.source.Conn(ctx).Exec(`DELETE FROM outbox WHERE aggregate_id = ? AND version > ?`, aggregate, above)
		require.Positive(t, done.RowsAffected)
		return done.Error
	}))
}

// beforeEach calls fn before each statement of a module that has this text in it.
func beforeEach(t *testing.T, db *database.DB, text string, fn func()) {
	t.Helper()
	probe := func(g *gorm.DB) {
		if strings.Contains(g.Statement.SQL.String(), text) {
			fn()
		}
	}
	on := db.Conn(t.Context()).Callback()
	require.NoError(t, on.Query().Before("gorm:query").Register("probe "+text, probe))
	require.NoError(t, on.Row().Before("gorm:row").Register("probe "+text, probe))
}

const readsTheLog, readsCursors = "MAX(e.version)", "FROM inbox_cursors"

func TestAuditSeesThatALogForgot(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.publish(t, "older", 1, 2, 3)
		b.publish(t, "lost", 1)
		b.publish(t, "whole", 1, 2)
		b.drain(t)
		b.publish(t, "whole", 3) // under way: the log is ahead
		require.NoError(t, b.consumer.Deliver(t.Context(), envelopes("waits", 2)))
		found, examined := b.forgotten(t)
		require.Empty(t, found)
		require.Equal(t, 3, examined, "of what waits nothing was applied")

		b.forget(t, "older", 1)
		b.forget(t, "lost", 0)
		found, _ = b.forgotten(t)
		const end = "; the data of source was lost, or is older than that of target: " +
			"stop the shop, and restore the newest copy of source, or copies of all modules from one moment"
		require.Equal(t, map[string]string{
			"older": "source has forgotten it: target has applied version 3, the log of source holds version 1 at most" + end,
			"lost":  "source has forgotten it: target has applied version 1, the log of source holds nothing of it" + end,
		}, found)

		found, examined = s.elsewhere(t, clock.System).forgotten(t)
		require.Empty(t, found, "the log is in another process")
		require.Zero(t, examined)
	})
}

// All of a big log is gone: every cursor is looked at, and not every one is told of.
func TestAuditTellsOfAWholeLogInShort(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		var all []event.Envelope
		for n := range 1101 { // more than a page
			all = append(all, envelopes(fmt.Sprint("a", n), 1)...)
		}
		require.NoError(t, b.consumer.Deliver(t.Context(), all))
		found, examined := b.forgotten(t)
		require.Equal(t, 1101, examined)
		require.Len(t, found, 101)
		require.Equal(t, "it has forgotten 1001 more that target knows", found["source"])
	})
}

// What retention drops is forgotten on purpose. Of what it cannot have dropped yet the
// audit tells also then.
func TestAuditKnowsWhatRetentionDrops(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx, now := t.Context(), time.Now()
		daysAgo := func(n time.Duration) time.Time { return now.Add(-n * 24 * time.Hour) }
		past := clock.NewFake(daysAgo(100))
		fresh, aged := b.outbox, event.NewOutbox(s.source, past.Now, id.V7)
		b.outbox = aged
		b.publish(t, "old", 1, 2)
		b.publish(t, "halfway", 1, 2)
		past.Advance(7 * 24 * time.Hour)
		b.publish(t, madeAt(daysAgo(93)), 1)
		b.drain(t)
		dropped, err := aged.Trim(ctx, daysAgo(90))
		require.NoError(t, err)
		require.Positive(t, dropped)
		past.Advance(-5 * 24 * time.Hour)
		b.publish(t, "halfway", 1) // as when a month is dropped before an earlier one
		b.outbox = fresh
		young := []string{madeAt(now), madeAt(daysAgo(80))}
		for _, aggregate := range young {
			b.publish(t, aggregate, 1)
		}
		b.publish(t, "new", 1, 2)
		b.drain(t)
		found, examined := b.forgotten(t)
		require.Empty(t, found)
		require.Equal(t, 6, examined)

		// Who keeps events for longer from now on has not got back what was dropped.
		dropped, err = aged.Trim(ctx, daysAgo(95))
		require.NoError(t, err)
		require.Positive(t, dropped)
		found, _ = b.forgotten(t)
		require.Empty(t, found)

		for _, aggregate := range young {
			b.forget(t, aggregate, 0)
		}
		b.forget(t, "new", 1)
		found, _ = b.forgotten(t)
		require.Len(t, found, 3)
		for _, aggregate := range append(young, "new") {
			require.Contains(t, found, aggregate)
		}
	})
}

// madeAt is the id of something that was made at an instant.
func madeAt(at time.Time) string {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return ms[:8] + "-" + ms[8:] + id.V7()[13:]
}

// Of topics whose last events are kept the log tells all, however old they are.
func TestAuditSeesThatALastEventIsGone(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		now := time.Now()
		b.bus.Sources()[0].KeepLatest(happened.Topic())
		b.outbox = event.NewOutbox(s.source, clock.NewFake(now.Add(-100*24*time.Hour)).Now, id.V7).KeepLatest(happened.Topic())
		b.publish(t, "kept", 1, 2)
		b.publish(t, "gone", 1, 2)
		b.drain(t)
		_, err := b.outbox.Trim(t.Context(), now.Add(-90*24*time.Hour))
		require.NoError(t, err)
		found, _ := b.forgotten(t)
		require.Empty(t, found)
		b.forget(t, "gone", 1)
		found, _ = b.forgotten(t)
		require.Len(t, found, 1)
		require.Contains(t, found["gone"], "holds nothing of it")
	})
}

// Events are published and applied, and old ones dropped, while the audit reads.
func TestAuditBesideTrafficSeesNothingForgotten(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		b.publish(t, "a", 1)
		b.drain(t)
		applied := int64(1)
		goOn := func() {
			applied++
			b.publish(t, "a", applied)
			b.drain(t)
		}
		var order []string
		beforeEach(t, s.target, readsCursors+"\n", func() { order = append(order, "cursors"); goOn() })
		trim := false
		beforeEach(t, s.source, readsTheLog, func() {
			order = append(order, "log")
			goOn()
			if trim {
				_, err := event.NewOutbox(s.source, clock.System, id.V7).Trim(t.Context(), time.Now().Add(70*24*time.Hour))
				require.NoError(t, err)
				list, err := b.outbox.List(t.Context(), event.Filter{AggregateID: "a"})
				require.NoError(t, err)
				require.Empty(t, list, "the window was hit")
			}
		})
		found, examined := b.forgotten(t)
		require.Empty(t, found)
		require.Equal(t, 1, examined)
		require.Contains(t, order, "log")
		require.Contains(t, order, "cursors")

		trim = true
		found, _ = b.forgotten(t)
		require.Empty(t, found)
	})
}
