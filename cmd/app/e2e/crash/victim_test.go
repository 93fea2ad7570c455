package crash

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// chance is the randomness of one test: the same seed repeats its gaps and choices.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := shoptest.Seed(t)
	return rand.New(rand.NewPCG(seed, seed))
}

// victim is a shop that is killed and started again on the same data, again and
// again.
type victim struct {
	at     shoptest.Site
	now    atomic.Pointer[shoptest.Server]
	logs   []*shoptest.Log // of all that it was
	starts []time.Duration // from the start of the process until it was open
}

// Starts it for the first time.
func (v *victim) Starts(t *testing.T) {
	t.Helper()
	s := shoptest.Serve(t, v.at)
	v.logs = append(v.logs, s.Log)
	v.now.Store(s)
}

// Here is where it is at present, or was last.
func (v *victim) Here() string { return v.now.Load().Shop }

// Again starts it after a death.
func (v *victim) Again(t *testing.T) {
	t.Helper()
	began := time.Now()
	v.Starts(t)
	v.starts = append(v.starts, time.Since(began))
}

// clean demands that it never complained about what must not happen.
func (v *victim) clean(t *testing.T) {
	t.Helper()
	for _, log := range v.logs {
		for _, word := range []string{"database is locked", "SQLITE_BUSY", "panic", "DATA RACE"} {
			require.Zero(t, log.Seen(word), "%q is in the log", word)
		}
	}
}

// median and longest of some durations.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2].Round(time.Millisecond)
}

func longest(all []time.Duration) time.Duration { return slices.Max(all).Round(time.Millisecond) }
