// Package money holds amounts as whole minor units (cents). No float comes near.
//
// Arithmetic that can fail answers an error: ErrCurrency where currencies differ,
// ErrOverflow where a result does not fit into an int64. Neither is ever
// swallowed, wrapped around or rounded away. The only rounding is that of
// Percent: half to even, once, on the amount it is called on; a price with
// several lines is rounded line by line and then added.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// What arithmetic can fail with; use errors.Is.
var (
	ErrCurrency = errors.New("money: the currencies differ")
	ErrOverflow = errors.New("money: the amount is too large")
	ErrSyntax   = errors.New("money: not an amount")
)

// Money is an amount of one currency. The zero value is "nothing of no
// currency" and may be added to anything.
type Money struct {
	Amount   int64  `json:"amount"`   // minor units: 1999 is 19.99 in USD
	Currency string `json:"currency"` // ISO 4217, upper case
}

// Of makes an amount in minor units.
func Of(amount int64, currency string) Money { return Money{Amount: amount, Currency: currency} }

// Zero is nothing of a currency.
func Zero(currency string) Money { return Money{Currency: currency} }

// common gives the currency of both; the zero value goes with any.
func common(a, b Money) (string, error) {
	switch {
	case a.Currency == b.Currency, b == Money{}:
		return a.Currency, nil
	case a == Money{}:
		return b.Currency, nil
	}
	return "", fmt.Errorf("%w: %s and %s", ErrCurrency, a, b)
}

// Add gives m + o. Errors: ErrCurrency, ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	currency, err := common(m, o)
	if err != nil {
		return Money{}, err
	}
	sum := m.Amount + o.Amount
	if (sum > m.Amount) != (o.Amount > 0) {
		return Money{}, fmt.Errorf("%w: %s + %s", ErrOverflow, m, o)
	}
	return Of(sum, currency), nil
}

// Sub gives m − o. Errors: ErrCurrency, ErrOverflow.
func (m Money) Sub(o Money) (Money, error) {
	currency, err := common(m, o)
	if err != nil {
		return Money{}, err
	}
	diff := m.Amount - o.Amount
	if (diff < m.Amount) != (o.Amount > 0) {
		return Money{}, fmt.Errorf("%w: %s - %s", ErrOverflow, m, o)
	}
	return Of(diff, currency), nil
}

// Sum adds all; none give the zero value. Errors: ErrCurrency, ErrOverflow.
func Sum(all ...Money) (Money, error) {
	var total Money
	for _, m := range all {
		var err error
		if total, err = total.Add(m); err != nil {
			return Money{}, err
		}
	}
	return total, nil
}

// MulInt gives the price of quantity pieces. Error: ErrOverflow.
func (m Money) MulInt(quantity int64) (Money, error) {
	hi, lo := bits.Mul64(magnitude(m.Amount), magnitude(quantity))
	negative := (m.Amount < 0) != (quantity < 0)
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	if hi != 0 || lo > limit {
		return Money{}, fmt.Errorf("%w: %d × %s", ErrOverflow, quantity, m)
	}
	if negative {
		return Of(int64(-lo), m.Currency), nil //nolint:gosec // checked above; two's complement is meant
	}
	return Of(int64(lo), m.Currency), nil //nolint:gosec // checked above
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) //nolint:gosec // two's complement is meant: right for MinInt64, too
	}
	return uint64(n)
}

// Neg gives −m. The smallest int64 has no counterpart: Error ErrOverflow.
func (m Money) Neg() (Money, error) { return Zero(m.Currency).Sub(m) }

// Cmp is negative, zero or positive as m is less than, equal to or more than o.
// Error: ErrCurrency.
func (m Money) Cmp(o Money) (int, error) {
	if _, err := common(m, o); err != nil {
		return 0, err
	}
	switch {
	case m.Amount < o.Amount:
		return -1, nil
	case m.Amount > o.Amount:
		return 1, nil
	}
	return 0, nil
}

// Less tells whether m < o. Error: ErrCurrency.
func (m Money) Less(o Money) (bool, error) {
	c, err := m.Cmp(o)
	return c < 0, err
}

// IsZero tells whether the amount is nothing, of whatever currency.
func (m Money) IsZero() bool { return m.Amount == 0 }

// IsNegative tells whether the amount is below nothing.
func (m Money) IsNegative() bool { return m.Amount < 0 }

// IsPositive tells whether the amount is above nothing.
func (m Money) IsPositive() bool { return m.Amount > 0 }
