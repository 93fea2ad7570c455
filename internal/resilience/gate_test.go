package resilience_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/resilience"
)

func gate(t *testing.T, cfg resilience.GateConfig) *resilience.Gate {
	t.Helper()
	g, err := resilience.NewGate(cfg)
	require.NoError(t, err)
	return g
}

func TestGateBoundsWhatIsDoneAtATime(t *testing.T) {
	t.Parallel()
	const places, all = 3, 200
	g := gate(t, resilience.GateConfig{Places: places, Wait: time.Minute})
	var inside, most atomic.Int64
	entered, out := make(chan error, all), make(chan struct{})
	var people sync.WaitGroup
	defer people.Wait()
	for range all {
		people.Go(func() {
			_, leave, err := g.Enter(t.Context())
			if err == nil {
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
			}
			entered <- err
			if err != nil {
				return
			}
			<-out
			inside.Add(-1)
			leave()
			leave() // twice is once
		})
	}
	defer close(out)
	for n := range all {
		require.NoError(t, <-entered, "a place that was left went to nobody")
		if n+1 >= places { // nobody leaves before all places are taken
			out <- struct{}{}
		}
	}
	require.EqualValues(t, places, most.Load())
}

func TestGateTurnsAway(t *testing.T) {
	t.Parallel()
	g := gate(t, resilience.GateConfig{Places: 1, Queue: 1, Wait: 20 * time.Millisecond})
	inside, leave, err := g.Enter(t.Context())
	require.NoError(t, err)
	_, _, err = g.Enter(t.Context())
	require.ErrorIs(t, err, resilience.ErrWaited)

	// Who has gone is not let in, and takes nobody's place.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = g.Enter(gone)
	require.ErrorIs(t, err, context.Canceled)

	resilience.Rest(inside) // it only waits now
	_, second, err := g.Enter(t.Context())
	require.NoError(t, err)
	leave() // gives nothing back a second time
	_, _, err = g.Enter(t.Context())
	require.ErrorIs(t, err, resilience.ErrWaited)
	second()
	_, third, err := g.Enter(t.Context())
	require.NoError(t, err)
	third()
	resilience.Rest(t.Context()) // without a place it does nothing
}

func TestGateQueueIsBounded(t *testing.T) {
	t.Parallel()
	g := gate(t, resilience.GateConfig{Places: 1, Queue: 2, Wait: time.Minute})
	_, leave, err := g.Enter(t.Context())
	require.NoError(t, err)
	require.NoError(t, g.Look())
	results := make(chan error, 3)
	for range 3 {
		go func() {
			_, leave, err := g.Enter(t.Context())
			if err == nil {
				leave()
			}
			results <- err
		}()
	}
	require.ErrorIs(t, <-results, resilience.ErrQueueFull)
	require.ErrorIs(t, g.Look(), resilience.ErrQueueFull)
	leave()
	require.NoError(t, <-results)
	require.NoError(t, <-results)
}
