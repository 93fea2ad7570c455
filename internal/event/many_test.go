package event_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
)

// A handler of many gets a delivery whole, and one bad event among them keeps
// back nothing but itself and what follows it of its aggregate.
func TestManyEventsAreHandledAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		many := event.NewConsumer(s.source, clock.System) // the source's own inbox: another consumer
		many.MaxAttempts = 1
		var mu sync.Mutex
		var sizes []int
		seen := map[string][]int64{}
		bad := true
		event.OnMany(many, happened, func(ctx context.Context, events []event.Happened[counted]) error {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				if bad && e.AggregateID == "a3" && e.Version == 2 {
					return errors.New("this one is bad")
				}
			}
			sizes = append(sizes, len(events))
			for _, e := range events {
				seen[e.AggregateID] = append(seen[e.AggregateID], e.Data.N)
			}
			return nil
		})
		b.bus.Subscribe(many)
		for a := range 10 {
			b.publish(t, fmt.Sprint("a", a), 1, 2, 3)
		}
		b.drain(t)
		require.Equal(t, []int64{1}, seen["a3"], "the bad event and what is behind it wait")
		for a := range 10 {
			if a != 3 {
				require.Equal(t, upTo(3), seen[fmt.Sprint("a", a)])
			}
		}
		dead, err := many.DeadList(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, dead, 2, "the bad one, and the one behind it")
		require.Contains(t, dead[0].Reason, "this one is bad")

		bad, sizes = false, nil
		for a := range 10 {
			b.publish(t, fmt.Sprint("b", a), 1, 2, 3)
		}
		b.drain(t)
		require.Greater(t, slices.Max(sizes), 5, "they came one by one: %v", sizes)
		for a := range 10 {
			require.Equal(t, upTo(3), seen[fmt.Sprint("b", a)])
		}
	})
}
