// Package overload tries the shop where there is too much of something or too
// little: more customers than it can serve, a payment provider that is sick, a
// full disk, and a stop in the middle of it all.
package overload

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }

// full tells that ratios of times are judged: with small counts, beside other
// tests, they say nothing.
func full() bool { return shoptest.Storm(0, 1) == 1 }

// percentile gives the time within which p of 100 were done.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
