package core

import (
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/identity"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"::ffff:192.0.2.1":     "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"unix":                 "unix",
	} {
		require.Equal(t, want, network(addr), addr)
	}
}

func TestBoundsAreInOrderAndHideWhatWasTyped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.StringN(1, 50, -1).Draw(t, "typed")
		bounds := boundsOf(typed, rapid.StringN(1, 20, -1).Draw(t, "address"), rapid.Bool().Draw(t, "familiar"))
		require.Len(t, bounds, 2)
		require.True(t, sort.SliceIsSorted(bounds, func(i, j int) bool { return bounds[i].subject < bounds[j].subject }))
		for _, b := range bounds {
			require.Regexp(t, `^(email|place|address):[0-9a-f]{64}$`, b.subject)
		}
	})
	require.Len(t, boundsOf("a@b.org", "", false), 1)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	s := New(Deps{})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bounds := boundsOf("a@b.org", "192.0.2.1", false)
	at := func(kind, value string, count int64, ago time.Duration) Attempt {
		return Attempt{Subject: subject(kind, value), Count: count, Since: now.Add(-ago)}
	}
	for name, c := range map[string]struct {
		counts []Attempt
		retry  string // empty: may go on
	}{
		"none":         {nil, ""},
		"the limits":   {[]Attempt{at("email", "a@b.org", 10, 0), at("address", "192.0.2.1", 100, 0)}, ""},
		"e-mail":       {[]Attempt{at("email", "a@b.org", 11, time.Minute)}, "840"},
		"address":      {[]Attempt{at("address", "192.0.2.1", 101, 14*time.Minute+500*time.Millisecond)}, "60"},
		"the longer":   {[]Attempt{at("email", "a@b.org", 11, 10*time.Minute), at("address", "192.0.2.1", 101, 5*time.Minute)}, "600"},
		"at least 1 s": {[]Attempt{at("email", "a@b.org", 11, 15*time.Minute-time.Microsecond)}, "1"},
		"other's":      {[]Attempt{at("email", "c@d.org", 11, 0)}, ""},
	} {
		err := s.judge(now, bounds, c.counts, 0)
		if c.retry == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, identity.Throttled, name)
		require.Equal(t, c.retry, fault.From(err).Details["retry_after"], name)
	}
}
