package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/run"
)

// A broker that is slow is waited for, one that is away is not: not longer than the limit
// in all, and that is told once.
func TestOnlyABrokerThatIsAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	const limit, never = 10 * time.Second, time.Hour
	for name, c := range map[string]struct {
		takes  []time.Duration // until each is ready, from when it is asked
		waited time.Duration   // in all
		told   int
	}{
		"slow": {[]time.Duration{limit * 6 / 10, limit * 6 / 10, limit * 9 / 10}, limit * 21 / 10, 0},
		"away": {[]time.Duration{never, never, never}, limit, 1},
		// The first has come in, so the broker was there: the next has its own time.
		"gone again": {[]time.Duration{limit * 6 / 10, never, never}, limit * 16 / 10, 1},
		// Nobody waits again for one that was given up.
		"late": {[]time.Duration{never, 0, never}, limit, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tasks []run.Task
				for _, takes := range c.takes {
					tasks = append(tasks, run.Task{Ready: func(ctx context.Context) error {
						if takes == 0 {
							return nil
						}
						select {
						case <-time.After(takes):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}})
				}
				told, began := 0, time.Now()
				for _, task := range patient(tasks, limit, func(context.Context, error) { told++ }) {
					require.NoError(t, task.Ready(t.Context()))
				}
				require.Equal(t, c.waited, time.Since(began))
				require.Equal(t, c.told, told)
			})
		})
	}
}

// Whoever is told to stop while waiting for the broker does not open without it.
func TestAStopEndsTheWaitForTheBroker(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	waits := run.Task{Ready: func(ctx context.Context) error { stop(); <-ctx.Done(); return ctx.Err() }}
	opens := patient([]run.Task{waits}, time.Hour, func(context.Context, error) { t.Error("it opens") })
	require.ErrorIs(t, opens[0].Ready(ctx), context.Canceled)
}
