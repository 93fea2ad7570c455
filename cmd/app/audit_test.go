package main

import (
	"context"
	"errors"
	"fmt"
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
	report, err := runAudit(t.Context(), checks, func(at string, examined int) { told = append(told, fmt.Sprint(at, ": ", examined)) })
	require.NoError(t, err)
	require.Equal(t, []string{"stock.adds_up (1 of 2): 0", "stock.adds_up (1 of 2): 5", "money.adds_up (2 of 2): 0"}, told)
	var b strings.Builder
	require.NoError(t, report.print(&b))
	requireGolden(t, "audit.txt", b.String())
}

// An audit with a hole in it must not pass for one without.
func TestAuditFailsWhereACheckCannotRun(t *testing.T) {
	t.Parallel()
	gone := errors.New("the database is gone")
	_, err := runAudit(t.Context(), []audit.Check{{Rule: "a.b", Run: func(context.Context, func(string, string)) (int, error) { return 0, gone }}}, func(string, int) {})
	require.ErrorIs(t, err, gone)
	require.ErrorContains(t, err, "a.b")
}
