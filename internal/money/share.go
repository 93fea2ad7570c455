package money

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/shopspring/decimal"
)

var hundred = decimal.NewFromInt(100)

// Percent gives rate percent of m, rounded half to even to a whole minor unit. The
// rate is a decimal: "19", "7.7", "-0.5". Rounding half to even per line is the
// shop's rule: over many lines halves go up as often as down.
// Errors: ErrSyntax for a rate that is no decimal, ErrOverflow.
func (m Money) Percent(rate string) (Money, error) {
	if len(rate) > 32 { // a rate has few digits; "1e999999999" would fill the memory
		return Money{}, fmt.Errorf("%w: the rate is too long", ErrSyntax)
	}
	for _, c := range []byte(rate) {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' {
			return Money{}, fmt.Errorf("%w: the rate %q is no decimal", ErrSyntax, rate)
		}
	}
	r, err := decimal.NewFromString(rate)
	if err != nil {
		return Money{}, fmt.Errorf("%w: the rate %q is no decimal", ErrSyntax, rate)
	}
	part := decimal.NewFromInt(m.Amount).Mul(r).Shift(-2).RoundBank(0).BigInt()
	if !part.IsInt64() {
		return Money{}, fmt.Errorf("%w: %s%% of %s", ErrOverflow, rate, m)
	}
	return Of(part.Int64(), m.Currency), nil
}

// BasisPoints is Percent for a rate in hundredths of a percent: 1900 is 19 %.
func (m Money) BasisPoints(points int64) (Money, error) {
	return m.Percent(decimal.NewFromInt(points).Div(hundred).String())
}

// Allocate shares m out by weights so that the parts add up to m exactly: each
// part is rounded towards zero, and the units left over go one each to the
// largest remainders, the earlier first among equals (Hamilton's method).
// Where all weights are zero, all are taken as one. Error: ErrSyntax without
// weights or with a negative one.
func (m Money) Allocate(weights ...int64) ([]Money, error) {
	if len(weights) == 0 {
		return nil, fmt.Errorf("%w: nobody to share %s out to", ErrSyntax, m)
	}
	total := new(big.Int)
	for _, w := range weights {
		if w < 0 {
			return nil, fmt.Errorf("%w: a share of %s has the negative weight %d", ErrSyntax, m, w)
		}
		total.Add(total, big.NewInt(w))
	}
	if total.Sign() == 0 {
		weights = slices.Repeat([]int64{1}, len(weights))
		total.SetInt64(int64(len(weights)))
	}
	parts := make([]Money, len(weights))
	remainders := make([]*big.Int, len(weights))
	order := make([]int, len(weights))
	left := m.Amount
	for i, w := range weights {
		exact := new(big.Int).Mul(big.NewInt(m.Amount), big.NewInt(w))
		whole, rest := exact.QuoRem(exact, total, new(big.Int))
		parts[i] = Of(whole.Int64(), m.Currency) // no larger than m, as w ≤ total
		remainders[i], order[i] = rest.Abs(rest), i
		left -= parts[i].Amount
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainders[b].Cmp(remainders[a]) })
	unit := int64(math.Copysign(1, float64(left)))
	for _, i := range order {
		if left == 0 {
			break
		}
		parts[i].Amount += unit
		left -= unit
	}
	return parts, nil
}
