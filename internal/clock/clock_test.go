package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
)

func TestSystemIsUTCInWholeMicroseconds(t *testing.T) {
	t.Parallel()
	now := clock.System()
	require.Equal(t, time.UTC, now.Location())
	require.Zero(t, now.Nanosecond()%1000)
	require.WithinDuration(t, time.Now(), now, time.Minute)
}

func TestFakeMovesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.FixedZone("CET", 3600))
	f := clock.NewFake(start)
	var c clock.Clock = f.Now
	require.Equal(t, time.Date(2026, 11, 22, 9, 0, 0, 123456000, time.UTC), c())
	require.Equal(t, c(), c())
	f.Advance(time.Hour)
	require.Equal(t, time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC), c())
}
