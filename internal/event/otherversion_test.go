package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
)

var stocked = event.Define[counted]("source.stock", "shop.stocked")

func stocks(versions ...int64) []event.Envelope {
	all := envelopes("s", versions...)
	for i := range all {
		all[i].Topic, all[i].Type = stocked.Topic(), stocked.Name()
	}
	return all
}

// A version is rolled back while events wait of a topic that only it listens to, and it
// comes again: they have their effect then. The other one touches none, whether they wait
// for their next attempt or for an earlier one, and its audit tells of them.
func TestOlderVersionLeavesWhatItDoesNotListenTo(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		now := clock.NewFake(time.Now())
		newer, older := s.instanceAt(t, now.Now), s.instanceAt(t, now.Now)
		var broken bool
		event.On(newer.consumer, stocked, func(ctx context.Context, m event.Meta, data counted) error {
			if broken {
				return errors.New("not yet")
			}
			return s.target.Conn(ctx).Exec(`INSERT INTO effects (aggregate, version) VALUES (?, ?)`, m.AggregateID, data.N).Error
		})
		broken = true
		require.NoError(t, newer.consumer.Deliver(t.Context(), stocks(1, 2)))
		early := stocks(2)
		early[0].AggregateID, early[0].ID = "early", "early-2"
		require.NoError(t, newer.consumer.Deliver(t.Context(), early))
		require.Empty(t, s.effects(t, "s"))

		now.Advance(time.Hour)
		require.NoError(t, older.consumer.RetryDue(t.Context()))
		older.drain(t)
		_, err := older.bus.Replay(t.Context(), s.target.Module(), time.Time{}, nil)
		require.NoError(t, err)
		found := map[string]int{}
		for _, check := range older.bus.Checks() {
			_, err := check.Run(t.Context(), func(_, detail string) {
				require.Contains(t, detail, "does not listen to its topic in this version")
				found[check.Rule]++
			})
			require.NoError(t, err)
		}
		require.Equal(t, map[string]int{"events.nothing_parked": 3}, found)

		broken = false
		require.NoError(t, newer.consumer.RetryDue(t.Context()))
		require.Equal(t, upTo(2), s.effects(t, "s"))
		require.NoError(t, newer.consumer.Deliver(t.Context(), []event.Envelope{earlier(early[0])}))
		require.NoError(t, newer.consumer.RetryDue(t.Context()))
		require.Equal(t, upTo(2), s.effects(t, "early"))
	})
}

// earlier is the first event of an aggregate of which the second is known.
func earlier(e event.Envelope) event.Envelope {
	e.ID, e.Version = e.AggregateID+"-1", 1
	e.Data, _ = json.Marshal(counted{N: 1})
	return e
}

// Versions run side by side without a broker, and the relay of the older one takes events
// of a topic that only the newer one listens to, the last ones of their aggregates: they
// have their effect in the newer one, whether the older one knows by then that somebody
// listens or not.
func TestOlderRelayTakesWhatOnlyTheNewerVersionListensTo(t *testing.T) {
	t.Parallel()
	s := newShop(t, testenv.Postgres(t)) // a file has one process
	now := clock.NewFake(time.Now())
	newer, older := s.instanceAt(t, now.Now), s.instanceAt(t, now.Now)
	event.On(newer.consumer, stocked, func(ctx context.Context, m event.Meta, data counted) error {
		return s.target.Conn(ctx).Exec(`INSERT INTO effects (aggregate, version) VALUES (?, ?)`, m.AggregateID, data.N).Error
	})
	relayed := func(aggregate string) {
		require.NoError(t, s.source.Atomic(t.Context(), func(ctx context.Context) error {
			return older.outbox.Publish(ctx, stocked.New(aggregate, 1, counted{1}))
		}))
		older.drain(t)
	}
	count := func(query string) (n int) {
		require.NoError(t, s.target.Conn(t.Context()).Raw(query).Scan(&n).Error)
		return n
	}
	effect := func(aggregate string) {
		t.Helper()
		require.Eventually(t, func() bool { return len(s.effects(t, aggregate)) > 0 }, 2*time.Minute, 5*time.Millisecond)
	}
	relayed("before") // by now the older one knows that nobody else listens
	newer.inboxOnly(t)
	effect("before")
	require.Eventually(t, func() bool {
		return count(`SELECT count(*) FROM inbox_consumers WHERE topic = 'source.stock'`) == 1
	}, 2*time.Minute, 5*time.Millisecond)
	relayed("not known yet")
	require.Empty(t, s.effects(t, "not known yet"))
	now.Advance(2*newer.consumer.LookAgain + time.Second)
	effect("not known yet")
	require.Eventually(t, func() bool { return count(`SELECT count(*) FROM inbox_missed`) == 0 }, 2*time.Minute, 5*time.Millisecond)
	relayed("known")
	require.Empty(t, s.effects(t, "known"))
	now.Advance(2*newer.consumer.LookAgain + time.Second)
	effect("known")
	for _, aggregate := range []string{"before", "not known yet", "known"} {
		require.Equal(t, upTo(1), s.effects(t, aggregate))
	}
}

// inboxOnly runs the consumer without a relay beside it.
func (b *bundle) inboxOnly(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, task := range b.bus.Tasks() {
		if strings.HasPrefix(task.Name, "inbox ") {
			group.Go(func() { _ = task.Run(ctx) })
		}
	}
	t.Cleanup(func() { cancel(); group.Wait() })
}
