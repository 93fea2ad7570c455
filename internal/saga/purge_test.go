package saga

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// What ended longer ago than Keep says is forgotten, once, by whichever instance;
// what is under way or waits for a person stays however old it is.
func TestPurge(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		const keep, old = 48 * time.Hour, 503
		now := clock.System()
		var rows []row
		add := func(id string, status Status, ago time.Duration) {
			at := database.At(now.Add(-ago))
			rows = append(rows, row{
				ID: id, Name: "trip", State: "{}", Status: status, NextAt: at, StartedAt: at, DeadlineAt: at, UpdatedAt: at, History: "[]",
			})
		}
		for i := range old {
			add(fmt.Sprintf("old-%03d", i), []Status{Completed, Compensated}[i%2], keep+time.Minute)
		}
		add("young", Completed, keep-time.Minute)
		for _, status := range []Status{Running, Compensating, Parked} {
			add(string(status), status, 10*keep)
		}
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error { return db.Conn(ctx).Create(rows).Error }))
		var purged int64
		var mu sync.Mutex
		var instances sync.WaitGroup
		for range 3 {
			instances.Go(func() {
				n, err := w.engine(Keep(keep)).Purge(t.Context())
				mu.Lock()
				defer mu.Unlock()
				purged += n
				if err != nil {
					t.Error(err)
				}
			})
		}
		instances.Wait()
		require.EqualValues(t, old, purged)
		var left []string
		require.NoError(t, db.Conn(t.Context()).Model(&row{}).Order("id").Pluck("id", &left).Error)
		require.Equal(t, []string{"compensating", "parked", "running", "young"}, left)
	})
}
