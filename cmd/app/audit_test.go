package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
)

func TestAuditTellsEachViolation(t *testing.T) {
	t.Parallel()
	checks := []audit.Check{
		{Rule: "stock.adds_up", Says: "it adds up", Run: func(context.Context, func(string, string)) (int, error) { return 7, nil }},
		{Rule: "money.adds_up", Says: "it adds up", Run: func(_ context.Context, report func(string, string)) (int, error) {
			report("order 1", "charged twice")
			report("order 2", "not charged")
			return 2, nil
		}},
	}
	report, err := runAudit(t.Context(), checks)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, report.print(&b))
	requireGolden(t, "audit.txt", b.String())
}

// An audit with a hole in it must not pass for one without.
func TestAuditFailsWhereACheckCannotRun(t *testing.T) {
	t.Parallel()
	gone := errors.New("the database is gone")
	_, err := runAudit(t.Context(), []audit.Check{{Rule: "a.b", Run: func(context.Context, func(string, string)) (int, error) { return 0, gone }}})
	require.ErrorIs(t, err, gone)
	require.ErrorContains(t, err, "a.b")
}
