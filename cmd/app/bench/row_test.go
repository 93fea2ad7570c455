package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row   Row
		ratio float64
		mark  string
	}{
		{Row{Ours: 45, Limit: 100, Bar: ratioAtLeast(.45)}, .45, "pass"},
		{Row{Ours: 44, Limit: 100, Bar: ratioAtLeast(.45)}, .44, "MISS"},
		{Row{Ours: 44, Limit: 100, Ratio: .46, Bar: ratioAtLeast(.45)}, .46, "pass"}, // of the rounds
		{Row{Ours: 12, Limit: 3, Bar: ratioAtMost(4)}, 4, "pass"},
		{Row{Ours: 13, Limit: 3, Bar: ratioAtMost(4)}, 13. / 3, "MISS"},
		{Row{Ours: 80, Bar: oursAtMost(80)}, 0, "pass"},
		{Row{Ours: 81, Bar: oursAtMost(80)}, 0, "MISS"},
		{Row{Ours: 81, Bar: oursAtLeast(80)}, 0, "pass"},
		{Row{Ours: math.NaN(), Bar: oursAtLeast(80)}, 0, "MISS"}, // not measured is not reached
		{Row{Ours: math.NaN(), Bar: oursAtMost(80)}, 0, "MISS"},
		{Row{Ours: 1}, 0, ""},
	} {
		c.row.judge()
		require.InDelta(t, c.ratio, c.row.Ratio, 1e-9, "%+v", c.row)
		require.Equal(t, c.mark, c.row.mark(), "%+v", c.row)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for v, text := range map[float64]string{
		0: "0", 0.4512: "0.45", 2: "2", 12.34: "12.3", 10: "10", 123.4: "123", 1234: "1,234", 1234567.8: "1,234,568", 999.6: "1,000", -1234: "-1,234",
	} {
		require.Equal(t, text, number(v))
	}
}
