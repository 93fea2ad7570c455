package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/internal/core"
)

func TestRates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		country           string
		grams             int64
		standard, express int64
	}{
		{"US", 0, 500, 1500},
		{"US", 1, 500, 1500},
		{"US", 1000, 500, 1500},
		{"US", 1001, 600, 1750},
		{"US", 2000, 600, 1750},
		{"US", 2001, 700, 2000},
		{"ca", 3500, 1500, 3850},
		{"DE", 500, 1200, 3500},
		{"JP", 10_000, 6300, 14_000},
	} {
		got := core.Rates{Currency: "USD"}.For(c.country, c.grams)
		require.Len(t, got, 2)
		require.Equal(t, shipping.Standard, got[0].Method)
		require.Equal(t, money.Of(c.standard, "USD"), got[0].Price, "%s %d g", c.country, c.grams)
		require.Equal(t, shipping.Express, got[1].Method)
		require.Equal(t, money.Of(c.express, "USD"), got[1].Price, "%s %d g", c.country, c.grams)
		require.Less(t, got[1].MaxDays, got[0].MaxDays, "express is faster")
	}
	for _, country := range []string{"", "KP", "XX", "USA"} {
		require.Empty(t, core.Rates{Currency: "USD"}.For(country, 100))
	}
	require.Empty(t, core.Rates{Currency: "USD"}.For("US", 1_000_001))
}
