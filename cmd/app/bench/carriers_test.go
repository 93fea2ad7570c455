package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is there for information has no bar, and what was not measured has no row.
func TestBeside(t *testing.T) {
	t.Parallel()
	ours := &carriage{name: "ours", rates: figures{400}, p50: figures{2}, p99: figures{9}}
	rows := ours.beside("events", &carriage{name: "theirs", rates: figures{100}, p50: figures{1}, p99: figures{9}, lags: true, lag50: ratioAtMost(1.3), lag99: ratioAtMost(1.5)})
	require.Len(t, rows, 3)
	for i := range rows {
		rows[i].judge()
	}
	require.Nil(t, rows[0].Pass)
	require.InDelta(t, 4, rows[0].Ratio, 0)
	require.False(t, *rows[1].Pass)
	require.True(t, *rows[2].Pass)
	require.Len(t, ours.beside("events", &carriage{name: "theirs", rates: figures{100}}), 1)
}
