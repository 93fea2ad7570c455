package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	f := figures{5, 1, 3, 2, 4}
	require.InDelta(t, 3, f.median(), 0)
	require.InDelta(t, 2.5, figures{4, 1, 3, 2}.median(), 0)
	require.Equal(t, figures{5, 1, 3, 2, 4}, f, "the order of the rounds is kept: they are paired")
	require.InDelta(t, 1, f.quantile(0), 0)
	require.InDelta(t, 3, f.quantile(.5), 0)
	require.InDelta(t, 5, f.quantile(.99), 0)
	require.InDelta(t, 5, f.quantile(1), 0)
	require.True(t, math.IsNaN(figures{}.median()))
	require.True(t, math.IsNaN(figures{}.quantile(.5)))

	hundred := figures{}
	for n := range 100 {
		hundred = append(hundred, float64(n+1))
	}
	require.InDelta(t, 99, hundred.quantile(.99), 0)
	require.InDelta(t, 50, hundred.quantile(.5), 0)
}

// A round in which the machine was half as fast changes no ratio.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	ours, limit := figures{50, 100, 51, 25}, figures{100, 200, 102, 50}
	require.Equal(t, figures{.5, .5, .5, .5}, paired(ours, limit))
	require.InDelta(t, .5, paired(ours, limit).median(), 0)
	require.NotEqual(t, ours.median()/limit.quantile(1), .5)
}

func TestRatesAndTimes(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 200, rate(100, 500*time.Millisecond), 0)
	require.Equal(t, figures{1.5, 2000}, milliseconds([]time.Duration{1500 * time.Microsecond, 2 * time.Second}))
}
