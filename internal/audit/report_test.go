package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
)

func TestAuditTellsEachViolation(t *testing.T) {
	t.Parallel()
	checks := []audit.Check{
		{Rule: "stock.adds_up", Says: "it adds up", Run: func(ctx context.Context, _ func(string, string)) (int, error) {
			audit.Looked(ctx, 5)
			return 7, nil
		}},
		{Rule: "money.adds_up", Says: "it adds up", Run: func(_ context.Context, report func(string, string)) (int, error) {
			report("order 1", "charged twice")
			report("order 2", "not charged")
			return 2, nil
		}},
	}
	var told []string
	report, err := audit.Run(t.Context(), checks, func(at string, examined int) { told = append(told, fmt.Sprint(at, ": ", examined)) })
	require.NoError(t, err)
	require.Equal(t, []string{"stock.adds_up (1 of 2): 0", "stock.adds_up (1 of 2): 5", "money.adds_up (2 of 2): 0"}, told)
	var b strings.Builder
	require.NoError(t, report.Print(&b, false))
	want, err := os.ReadFile("testdata/report.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

// An audit with a hole in it must not pass for one without; what the others found is
// told all the same.
func TestAuditFailsWhereACheckCannotRun(t *testing.T) {
	t.Parallel()
	gone := errors.New("the database is gone")
	found := audit.Check{Rule: "money.adds_up", Run: func(_ context.Context, report func(string, string)) (int, error) {
		report("order 1", "charged twice")
		return 1, nil
	}}
	cannot := audit.Check{Rule: "a.b", Run: func(_ context.Context, report func(string, string)) (int, error) {
		report("order 2", "seen before it went away")
		return 0, gone
	}}
	report, err := audit.Run(t.Context(), []audit.Check{found, cannot, found}, func(string, int) {})
	require.ErrorIs(t, err, gone)
	require.ErrorContains(t, err, "check a.b: ")
	require.Len(t, report.Checks, 2)
	require.Len(t, report.Findings, 3)
	require.Equal(t, []audit.Hole{{Rule: "a.b", Reason: "the database is gone"}}, report.NotChecked)
	var b strings.Builder
	require.NoError(t, report.Print(&b, false))
	require.Contains(t, b.String(), "order 1: charged twice")
	require.Contains(t, b.String(), "\nNot checked: a.b\n")

	report, err = audit.Run(t.Context(), []audit.Check{cannot}, func(string, int) {})
	require.Error(t, err)
	report.Findings = nil
	b.Reset()
	require.NoError(t, report.Print(&b, false))
	require.Contains(t, b.String(), "No violation found in what was checked.")
}

// Where the time is over, the checks that were not begun are told as well.
func TestAuditWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	last := audit.Check{Rule: "a.b", Run: func(context.Context, func(string, string)) (int, error) {
		cancel()
		return 1, nil
	}}
	report, err := audit.Run(ctx, []audit.Check{last, last, last}, func(string, int) {})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, report.Checks, 1)
	require.Len(t, report.NotChecked, 2)
}

// Who examined nothing because all was too recent has not found everything right.
func TestAuditTellsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	checks := []audit.Check{
		{Rule: "orders.add_up", Says: "they add up", Run: func(ctx context.Context, _ func(string, string)) (int, error) {
			audit.UnderWay(ctx, 1)
			audit.UnderWay(ctx, 2)
			return 0, nil
		}},
		{Rule: "money.adds_up", Says: "it adds up", Run: func(_ context.Context, report func(string, string)) (int, error) {
			report("order 1", "charged twice")
			return 1, nil
		}},
	}
	report, err := audit.Run(t.Context(), checks, func(string, int) {})
	require.NoError(t, err)
	var text, asJSON strings.Builder
	require.NoError(t, report.Print(&text, false))
	want, err := os.ReadFile("testdata/underway.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), text.String())
	require.NoError(t, report.Print(&asJSON, true))
	require.Contains(t, asJSON.String(), `"examined": 0,
      "under_way": 3,`)
	audit.UnderWay(t.Context(), 1) // nobody hears
}

// What other processes run is named: no violation was found there, for nobody looked.
func TestAuditNamesWhatRunsElsewhere(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	report := audit.Report{Elsewhere: []string{"payments", "search"}}
	require.NoError(t, report.Print(&b, false))
	require.Contains(t, b.String(), "\nNot audited: payments, search\n")
	b.Reset()
	require.NoError(t, report.Print(&b, true))
	require.Contains(t, b.String(), `"elsewhere": [`)
}
