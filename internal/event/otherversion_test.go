package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
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
