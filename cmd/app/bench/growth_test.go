package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMemoryIsWatched(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc, as Linux has it")
	}
	w := watchMemory()
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = 1
	}
	seen := w.looks.Load()
	require.Eventually(t, func() bool { return w.looks.Load() > seen+1 }, time.Minute, time.Millisecond)
	runtime.KeepAlive(block)
	grew, err := w.end()
	require.NoError(t, err)
	require.Greater(t, grew.heap, 32.0) // others free what they had meanwhile
	require.Greater(t, grew.resident, 32.0)
}
