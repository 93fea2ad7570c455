package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts together are all of it, and none is in two.
func TestShare(t *testing.T) {
	t.Parallel()
	all, err := load("../../..")
	require.NoError(t, err)
	seen := map[string]int{}
	for _, part := range []string{"1/3", "2/3", "3/3"} {
		some, err := share(all, part)
		require.NoError(t, err)
		require.NotEmpty(t, some)
		for _, b := range some {
			seen[b.Name]++
		}
	}
	require.Len(t, seen, len(all))
	for name, times := range seen {
		require.Equal(t, 1, times, name)
	}
	for _, bad := range []string{"", "0/3", "4/3", "x", "1/0"} {
		_, err := share(all, bad)
		require.Error(t, err, bad)
	}
}
