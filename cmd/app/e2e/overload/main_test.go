// Package overload tries the shop where there is too much of something or too
// little: more customers than it can serve, a payment provider that is sick, a
// full disk, and a stop in the middle of it all.
package overload

import (
	"context"
	"net/http"
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

// beside lets a test run beside others, but at full size: there what is judged by the
// clock has all processors to itself.
func beside(t *testing.T) {
	t.Helper()
	if !full() {
		t.Parallel()
	}
}

// tooLate tells that an answer took longer than a call may take. At the small size, on
// a machine that stands still now and then, that says nothing of the shop.
func tooLate(a shoptest.Answer) bool { return !full() && a.Status == http.StatusGatewayTimeout }

// notCharged tells that an order failed because its card could not be charged in time,
// which a disk that stands still does to a good card as well.
func notCharged(a shoptest.Answer) bool { return !full() && a.Text("reason") == "payment.unavailable" }

// ask is Try, again where the answer was too late: a request that changes something
// needs a key, or an effect that may be had twice.
func ask(ctx context.Context, c shoptest.Client, method, path string, body any) (shoptest.Answer, error) {
	for began := time.Now(); ; {
		a, err := c.Try(ctx, method, path, body)
		again := tooLate(a) || !full() && a.Text("code") == "idempotency_key.in_flight"
		if err != nil || !again || time.Since(began) > shoptest.Patience {
			return a, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// percentile gives the time within which p of 100 were done.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
