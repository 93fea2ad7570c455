package main

import (
	"math"
	"slices"
	"time"
)

// figures are the same thing measured several times.
type figures []float64

// quantile by the nearest rank, q in 0..1; NaN without any figure.
func (f figures) quantile(q float64) float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(f))
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// median is the middle one, or the mean of the two in the middle.
func (f figures) median() float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(f))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// paired is ours to the limit, round by round: what slows both in one round
// does not move it.
func paired(ours, limit figures) figures {
	ratios := make(figures, 0, len(ours))
	for i := range min(len(ours), len(limit)) {
		ratios = append(ratios, ours[i]/limit[i])
	}
	return ratios
}

// milliseconds of durations.
func milliseconds(list []time.Duration) figures {
	out := make(figures, len(list))
	for i, d := range list {
		out[i] = float64(d) / float64(time.Millisecond)
	}
	return out
}

// rate is how many a second.
func rate(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }
