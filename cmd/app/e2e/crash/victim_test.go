package crash

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// chance is the randomness of one test. It logs its seed: BANYAN_TEST_SEED
// repeats the same gaps and choices.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("BANYAN_TEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "BANYAN_TEST_SEED")
	}
	t.Logf("BANYAN_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// victim is a shop that is killed and started again on the same data, again and
// again.
type victim struct {
	at     shoptest.Site
	now    atomic.Pointer[shoptest.Server]
	starts []time.Duration // from the start of the process until it was open
}

func serve(t *testing.T, at shoptest.Site) *victim {
	t.Helper()
	v := &victim{at: at}
	v.now.Store(shoptest.Serve(t, at))
	return v
}

// Here is where it is at present, or was last.
func (v *victim) Here() string { return v.now.Load().Shop }

// Again starts it after a death.
func (v *victim) Again(t *testing.T) {
	t.Helper()
	began := time.Now()
	s := shoptest.Serve(t, v.at)
	v.starts = append(v.starts, time.Since(began))
	v.now.Store(s)
}

// median and longest of some durations.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2].Round(time.Millisecond)
}

func longest(all []time.Duration) time.Duration { return slices.Max(all).Round(time.Millisecond) }
