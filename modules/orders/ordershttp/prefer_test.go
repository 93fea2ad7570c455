package ordershttp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitOf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"":                          0,
		"wait=3":                    3 * time.Second,
		"Wait=10":                   10 * time.Second,
		"respond-async, wait=5":     5 * time.Second,
		`wait = "4"; foo=bar`:       4 * time.Second,
		"wait=3600":                 10 * time.Second,
		"wait=-1":                   0,
		"wait=soon":                 0,
		"wait=99999999999999999":    0,
		"return=minimal":            0,
		"waiting=5, wait=2, wait=9": 2 * time.Second,
	} {
		require.Equal(t, want, waitOf(header), header)
	}
}

func FuzzWaitOf(f *testing.F) {
	f.Add("respond-async, wait=5")
	f.Fuzz(func(t *testing.T, header string) {
		wait := waitOf(header)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, maxWait)
		require.Equal(t, wait, waitOf(preference(wait)), "what is applied is what was told")
	})
}
