package event_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
)

// gaps are the aggregates that the audit complains of.
func (b *bundle) gaps(t *testing.T) (found []string) {
	t.Helper()
	b.audit(t, "events.no_gap", func(subject, _ string) { found = append(found, subject) })
	return found
}

// audit runs one rule, and gives how many things it looked at.
func (b *bundle) audit(t *testing.T, rule string, fn func(subject, detail string)) int {
	t.Helper()
	checks := b.bus.Checks()
	i := slices.IndexFunc(checks, func(c audit.Check) bool { return c.Rule == rule })
	examined, err := checks[i].Run(t.Context(), fn)
	require.NoError(t, err)
	return examined
}

// Of an aggregate that was never met, and whose log is in another process, an earlier
// event may come for minutes; where it cannot, a gap is told of after one.
func TestAuditWaitsUntilBeginningsAreDecided(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.elsewhere(t, now.Now)
		require.NoError(t, b.consumer.Deliver(ctx, append(envelopes("known", 1, 3), envelopes("new", 3)...)))
		require.Empty(t, b.gaps(t))
		now.Advance(30 * time.Second)
		require.Empty(t, b.gaps(t), "it may be on its way")
		now.Advance(31 * time.Second)
		require.Equal(t, []string{"source.thing known"}, b.gaps(t))
		now.Advance(5 * time.Minute)
		require.Equal(t, []string{"source.thing known"}, b.gaps(t))
		now.Advance(5 * time.Minute)
		require.Equal(t, []string{"source.thing known", "source.thing new"}, b.gaps(t))
		b.audit(t, "events.no_gap", func(subject, detail string) {
			may := strings.Contains(detail, "target was away")
			require.Equal(t, subject == "source.thing new", may, "who was away has not looked yet: %s", detail)
		})
	})
}

// Where the log is at hand, and where no transport brings events, nothing is waited for.
func TestAuditSeesGapsSoonWhereTheLogIs(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		ctx := t.Context()
		now := clock.NewFake(time.Date(2031, 3, 10, 0, 0, 0, 0, time.UTC))
		b := s.instanceAt(t, now.Now)
		require.NoError(t, b.consumer.Deliver(ctx, envelopes("new", 3)))
		now.Advance(30 * time.Second)
		require.Empty(t, b.gaps(t), "it may be on its way")
		now.Advance(31 * time.Second)
		require.Equal(t, []string{"source.thing new"}, b.gaps(t))

		carried := s.elsewhere(t, now.Now)
		require.Empty(t, carried.gaps(t))
		carried.bus.Source(carried.outbox)
		require.Equal(t, []string{"source.thing new"}, carried.gaps(t))
	})
}
