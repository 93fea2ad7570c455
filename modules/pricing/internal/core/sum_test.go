package core

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
)

func usd(cents int64) money.Money { return money.Of(cents, "USD") }

// A quote adds up to the cent, whatever it is made of, and no line is discounted
// below nothing.
func TestQuotesAddUp(t *testing.T) {
	t.Parallel()
	countries := []string{"US", "ZZ"}
	for c := range vat {
		countries = append(countries, c)
	}
	rapid.Check(t, func(t *rapid.T) {
		q := pricing.Quote{Subtotal: usd(0), Discount: usd(0), Tax: usd(0), Shipping: usd(rapid.Int64Range(0, 100_000).Draw(t, "shipping"))}
		for i := range rapid.IntRange(1, maxLines).Draw(t, "lines") {
			unit := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(0, maxAmount)).Draw(t, "unit")
			n := rapid.IntRange(1, maxQuantity).Draw(t, "quantity")
			line := pricing.QuoteLine{SKU: strconv.Itoa(i), Quantity: n, Unit: usd(unit), Total: usd(unit * int64(n)), Discount: usd(0), Tax: usd(0)}
			q.Subtotal.Amount += line.Total.Amount
			q.Lines = append(q.Lines, line)
		}
		p := pricing.Promotion{Kind: rapid.SampledFrom([]string{"", pricing.Percent, pricing.Fixed}).Draw(t, "kind")}
		switch p.Kind {
		case pricing.Percent:
			p.Value = rapid.Int64Range(1, 100).Draw(t, "percent")
		case pricing.Fixed:
			p.Value = rapid.OneOf(rapid.Int64Range(1, 1000), rapid.Int64Range(1, maxAmount)).Draw(t, "off")
		}
		if p.Kind != "" {
			require.NoError(t, discount(&q, p))
		}
		rate := taxRate(rapid.SampledFrom(countries).Draw(t, "country"))
		require.NoError(t, addUp(&q, rate))

		var off, tax int64
		for _, l := range q.Lines {
			require.True(t, 0 <= l.Discount.Amount && l.Discount.Amount <= l.Total.Amount, "%+v", l)
			want, err := usd(l.Total.Amount - l.Discount.Amount).Percent(rate)
			require.NoError(t, err)
			require.Equal(t, want, l.Tax)
			off, tax = off+l.Discount.Amount, tax+l.Tax.Amount
		}
		require.Equal(t, usd(off), q.Discount)
		require.Equal(t, usd(tax), q.Tax)
		require.LessOrEqual(t, off, q.Subtotal.Amount)
		require.Equal(t, usd(q.Subtotal.Amount-off+q.Shipping.Amount+tax), q.Total)
		switch p.Kind {
		case pricing.Fixed:
			require.Equal(t, min(p.Value, q.Subtotal.Amount), off, "all of it is taken off, where there is as much")
		case pricing.Percent:
			// Each line is half a cent off at most.
			exact := float64(q.Subtotal.Amount) * float64(p.Value) / 100
			require.InDelta(t, exact, float64(off), float64(len(q.Lines))/2+exact*1e-12+0.001)
		}
	})
}

func TestTaxTable(t *testing.T) {
	t.Parallel()
	for country, rate := range vat {
		require.Regexp(t, regexp.MustCompile(`^[A-Z]{2}$`), country)
		percent, err := strconv.ParseFloat(rate, 64)
		require.NoError(t, err, country)
		require.True(t, percent >= 5 && percent <= 27, "%s: %s %%: the highest standard rate is Hungary's 27", country, rate)
	}
	for country, want := range map[string]string{"DE": "19", "HU": "27", "FI": "25.5", "CH": "8.1", "US": "0", "ZZ": "0", "": "0"} {
		require.Equal(t, want, taxRate(country), country)
	}
	eu := []string{
		"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
		"IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
	}
	for _, country := range eu {
		require.NotEqual(t, "0", taxRate(country), "%s is in the EU, where the least standard rate is 15 %%", country)
	}
}

func TestTaxIsRoundedHalfEvenPerLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cents int64
		rate  string
		tax   int64
	}{
		{50, "19", 10},  // 9.5
		{150, "19", 28}, // 28.5
		{250, "19", 48}, // 47.5
		{1, "19", 0},
		{3, "19", 1},
		{1999, "8.1", 162}, // 161.919
		{100, "25.5", 26},  // 25.5
		{300, "25.5", 76},  // 76.5
	} {
		q := pricing.Quote{Subtotal: usd(2 * c.cents), Lines: []pricing.QuoteLine{{Total: usd(c.cents)}, {Total: usd(c.cents)}}}
		require.NoError(t, addUp(&q, c.rate))
		require.Equal(t, usd(2*c.tax), q.Tax, fmt.Sprint(c))
	}
}
