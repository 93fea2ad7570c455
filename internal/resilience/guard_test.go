package resilience_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/resilience"
)

var errSick = errors.New("sick")

// dependency is one whose health a test decides.
type dependency struct {
	mu    sync.Mutex
	down  bool
	calls int
	log   strings.Builder
	guard *resilience.Guard
}

func setup(t *testing.T, cfg resilience.GuardConfig) *dependency {
	t.Helper()
	d := &dependency{}
	cfg.Name, cfg.Log, cfg.Metrics = "test", slog.New(slog.NewTextHandler(&d.log, nil)), prometheus.NewRegistry()
	if cfg.Pause == 0 {
		cfg.Pause = 20 * time.Millisecond
	}
	var err error
	d.guard, err = resilience.NewGuard(cfg)
	require.NoError(t, err)
	return d
}

func (d *dependency) set(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

func (d *dependency) try(ctx context.Context, repeat bool) error {
	_, err := resilience.Call(ctx, d.guard, repeat, func(_ int, err error) bool { return err != nil }, func() (int, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls++
		if d.down {
			return 0, errSick
		}
		return 1, nil
	})
	return err
}

func TestSickDependencyIsLeftAloneAndFoundWellAgain(t *testing.T) {
	t.Parallel()
	d := setup(t, resilience.GuardConfig{})
	d.set(true)
	for range 1000 {
		err := d.try(t.Context(), false)
		require.Error(t, err)
	}
	require.Less(t, d.calls, 200)
	require.Eventually(t, func() bool { // after a pause one call is let through, and finds it sick
		refused := errors.Is(d.try(t.Context(), false), resilience.ErrOpen)
		return refused && errors.Is(d.guard.Ready(), resilience.ErrOpen)
	}, time.Minute, time.Millisecond)
	require.Contains(t, d.guard.State(), "left alone since")
	d.set(false)
	require.Eventually(t, func() bool { return d.try(t.Context(), true) == nil }, time.Minute, time.Millisecond)
	require.NoError(t, d.guard.Ready())
	require.Equal(t, "in use", d.guard.State())
	// Looking again in between is no news.
	require.Equal(t, 1, strings.Count(d.log.String(), "left alone"), d.log.String())
	require.Equal(t, 1, strings.Count(d.log.String(), "well again"), d.log.String())
}

func TestOneCallAtATimeFindsOut(t *testing.T) {
	t.Parallel()
	d := setup(t, resilience.GuardConfig{Pause: time.Millisecond})
	d.set(true)
	for d.guard.Ready() == nil {
		require.Error(t, d.try(t.Context(), false))
	}
	require.Eventually(t, func() bool { return d.guard.Ready() == nil }, time.Minute, time.Millisecond)
	began, end := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := resilience.Call(t.Context(), d.guard, false, func(_ int, err error) bool { return err != nil }, func() (int, error) {
			close(began)
			<-end
			return 1, nil
		})
		done <- err
	}()
	<-began
	for range 10 {
		require.ErrorIs(t, d.guard.Ready(), resilience.ErrOpen)
		require.True(t, resilience.NotMade(d.try(t.Context(), false)))
	}
	close(end)
	require.NoError(t, <-done)
	require.NoError(t, d.guard.Ready())
}

// A dependency that fails now and then stays in use, but repeats are bounded.
func TestRepeatsArePaidFromABudget(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := setup(t, resilience.GuardConfig{Sick: 100_000, Last: 100_000, Now: func() time.Time { return now }})
	d.set(true)
	made, asked := 0, 1000
	for range asked {
		require.ErrorIs(t, d.try(t.Context(), false), errSick)
		for range 5 {
			if err := d.try(t.Context(), true); errors.Is(err, errSick) {
				made++
			} else {
				require.ErrorIs(t, err, resilience.ErrNoBudget)
			}
		}
	}
	require.Positive(t, made)
	require.LessOrEqual(t, d.calls, asked*12/10, "calls for %d requests", asked)
	// Time alone gives a little back, so nobody is stuck for good.
	require.ErrorIs(t, d.try(t.Context(), true), resilience.ErrNoBudget)
	now = now.Add(10 * time.Second)
	require.ErrorIs(t, d.try(t.Context(), true), errSick)
	// While all goes well repeats are free.
	d.set(false)
	now = now.Add(10 * time.Second)
	for range 1000 {
		require.NoError(t, d.try(t.Context(), true))
	}
}

func TestGivingUpSaysNothing(t *testing.T) {
	t.Parallel()
	d := setup(t, resilience.GuardConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		_, err := resilience.Call(ctx, d.guard, false, func(_ int, err error) bool { return err != nil }, func() (int, error) {
			return 0, ctx.Err()
		})
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, d.guard.Ready())
}

func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	d := setup(t, resilience.GuardConfig{Places: 1, Wait: time.Millisecond})
	_, err := resilience.Call(t.Context(), d.guard, false, func(_ int, err error) bool { return err != nil }, func() (int, error) {
		err := d.try(t.Context(), false)
		require.ErrorIs(t, err, resilience.ErrCrowded)
		require.True(t, resilience.NotMade(err))
		return 1, nil
	})
	require.NoError(t, err)
}
