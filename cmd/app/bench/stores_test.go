package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABenchmarkIsRead(t *testing.T) {
	t.Parallel()
	w, err := readBenchmark("goos: linux\nBenchmarkHold/16clients-2         \t    2637\t    478269.5 ns/op\nPASS\n")
	require.NoError(t, err)
	require.Equal(t, 2637, w.n)
	require.InDelta(t, 2637*478269.5, float64(w.took), float64(time.Microsecond))
	_, err = readBenchmark("testing: warning: no tests to run\nPASS\n")
	require.ErrorContains(t, err, "no result")
}

// Three modules that let 300 a second through let 100 through one after the other.
func TestThePartsAreAdded(t *testing.T) {
	t.Parallel()
	s := side{}
	for i, p := range storeParts() {
		s.add(p, wave{n: 100 * (i + 1), took: time.Second})
		s.add(p, wave{n: 300, took: time.Second})
	}
	whole := s.whole()
	require.Len(t, whole, 2)
	require.InDelta(t, 1/(1./100+1./200+1./300), whole[0], 1e-9)
	require.InDelta(t, 100, whole[1], 1e-9)
}
