package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	got, err := readSpent("4711 (a (strange) name) S 1 4711 4711 0 -1 4194560 9000 0 3 0 250 50 0 0 20 0 9 0 100 1000 200\n")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, got)
	_, err = readSpent("4711 (app) S 1")
	require.Error(t, err)
}
