package money

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String is for people: "19.99 USD", "-0.05 EUR", "500 JPY".
func (m Money) String() string {
	s := m.Decimal()
	if m.Currency != "" {
		s += " " + m.Currency
	}
	return s
}

// Decimal is the amount in major units, with all minor digits: "19.99".
func (m Money) Decimal() string {
	digits := strconv.FormatUint(magnitude(m.Amount), 10)
	if n := MinorDigits(m.Currency); n > 0 {
		if pad := n + 1 - len(digits); pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		digits = digits[:len(digits)-n] + "." + digits[len(digits)-n:]
	}
	if m.Amount < 0 {
		digits = "-" + digits
	}
	return digits
}

// Parse reads an amount in major units: "19.99", "-5", "1000.5". It rounds
// nothing: more decimals than the currency has are an error.
// Errors: ErrSyntax, ErrCurrency for what is no currency, ErrOverflow.
func Parse(text, currency string) (Money, error) {
	if !ValidCurrency(currency) {
		return Money{}, fmt.Errorf("%w: %q is no ISO 4217 code", ErrCurrency, currency)
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, dotted := strings.Cut(digits, ".")
	n := MinorDigits(currency)
	if !allDigits(whole) || dotted && !allDigits(fraction) || len(fraction) > n {
		return Money{}, fmt.Errorf("%w: %q; write it like %s", ErrSyntax, text, Of(1999, currency).Decimal())
	}
	amount, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", n-len(fraction)), 10, 64)
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	if err != nil || amount > limit {
		return Money{}, fmt.Errorf("%w: %q", ErrOverflow, text)
	}
	if negative {
		amount = -amount
	}
	return Of(int64(amount), currency), nil //nolint:gosec // checked above; two's complement is meant
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
