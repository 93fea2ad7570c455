package money_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
)

// FuzzParse: an amount is refused with one of three reasons, or is written again as
// the same number with all its digits.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text, currency string) {
		m, err := money.Parse(text, currency)
		if err != nil {
			require.Zero(t, m)
			require.True(t, isOneOf(err, money.ErrSyntax, money.ErrCurrency, money.ErrOverflow), "%v", err)
			return
		}
		require.True(t, money.ValidCurrency(currency))
		require.Equal(t, currency, m.Currency)
		require.NotContains(t, text, " ")
		again, err := money.Parse(m.Decimal(), currency)
		require.NoError(t, err)
		require.Equal(t, m, again)
		require.Equal(t, number(text), number(m.Decimal()), "nothing is rounded")
	})
}

func isOneOf(err error, all ...error) bool {
	for _, e := range all {
		if strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// number is decimal text without the zeros that do not count.
func number(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole, "0") + "." + strings.TrimRight(fraction, "0")
	if negative && digits != "." {
		return "-" + digits
	}
	return digits
}

// FuzzJSON: what a wire or a column holds as money is read without rounding, or not.
func FuzzJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m money.Money
		if json.Unmarshal(raw, &m) != nil {
			return
		}
		written, err := json.Marshal(m)
		require.NoError(t, err)
		var again money.Money
		require.NoError(t, json.Unmarshal(written, &again))
		require.Equal(t, m, again)
		_ = m.String()
	})
}
