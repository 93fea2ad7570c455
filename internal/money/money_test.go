package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/money"
)

var currencies = rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD"})

func amounts() *rapid.Generator[money.Money] {
	return rapid.Custom(func(t *rapid.T) money.Money {
		return money.Of(rapid.Int64().Draw(t, "amount"), currencies.Draw(t, "currency"))
	})
}

func TestAddAndSubAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := amounts().Draw(t, "a")
		b := money.Of(rapid.Int64().Draw(t, "b"), a.Currency)
		exact := new(big.Int).Add(big.NewInt(a.Amount), big.NewInt(b.Amount))
		sum, err := a.Add(b)
		if !exact.IsInt64() {
			require.ErrorIs(t, err, money.ErrOverflow)
			return
		}
		require.NoError(t, err)
		require.Equal(t, exact.Int64(), sum.Amount)
		back, err := sum.Sub(b)
		require.NoError(t, err)
		require.Equal(t, a, back)
	})
}

func TestSubAgreesWithBigNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		exact := new(big.Int).Sub(big.NewInt(a), big.NewInt(b))
		diff, err := money.Of(a, "USD").Sub(money.Of(b, "USD"))
		require.Equal(t, !exact.IsInt64(), err != nil)
		if err == nil {
			require.Equal(t, exact.Int64(), diff.Amount)
		}
	})
}

func TestMulIntAgreesWithBigNumbers(t *testing.T) {
	t.Parallel()
	small := rapid.Int64Range(-1<<33, 1<<33)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.OneOf(small, rapid.Int64()).Draw(t, "a")
		n := rapid.OneOf(small, rapid.Int64()).Draw(t, "n")
		exact := new(big.Int).Mul(big.NewInt(a), big.NewInt(n))
		product, err := money.Of(a, "USD").MulInt(n)
		if !exact.IsInt64() {
			require.ErrorIs(t, err, money.ErrOverflow)
			return
		}
		require.NoError(t, err)
		require.Equal(t, money.Of(exact.Int64(), "USD"), product)
	})
}

func TestEdgesOfInt64(t *testing.T) {
	t.Parallel()
	least, most := money.Of(math.MinInt64, "USD"), money.Of(math.MaxInt64, "USD")
	_, err := least.Neg()
	require.ErrorIs(t, err, money.ErrOverflow)
	_, err = least.MulInt(-1)
	require.ErrorIs(t, err, money.ErrOverflow)
	same, err := least.MulInt(1)
	require.NoError(t, err)
	require.Equal(t, least, same)
	sum, err := least.Add(most)
	require.NoError(t, err)
	require.Equal(t, int64(-1), sum.Amount)
	require.Equal(t, "-92233720368547758.08 USD", least.String())
}

func TestCurrenciesDoNotMix(t *testing.T) {
	t.Parallel()
	usd, eur := money.Of(1, "USD"), money.Of(1, "EUR")
	_, err := usd.Add(eur)
	require.ErrorIs(t, err, money.ErrCurrency)
	_, err = usd.Sub(eur)
	require.ErrorIs(t, err, money.ErrCurrency)
	_, err = usd.Less(eur)
	require.ErrorIs(t, err, money.ErrCurrency)
	_, err = usd.Add(money.Zero("EUR"))
	require.ErrorIs(t, err, money.ErrCurrency, "nothing of another currency is a mistake, too")
	_, err = usd.Add(money.Money{Amount: 1})
	require.ErrorIs(t, err, money.ErrCurrency)

	total, err := money.Sum(money.Money{}, usd, usd)
	require.NoError(t, err, "the zero value goes with anything")
	require.Equal(t, money.Of(2, "USD"), total)
	diff, err := money.Money{}.Sub(usd)
	require.NoError(t, err)
	require.Equal(t, money.Of(-1, "USD"), diff)
	less, err := diff.Less(usd)
	require.NoError(t, err)
	require.True(t, less)
}

func TestPercentRoundsHalfToEven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount int64
		rate   string
		want   int64
	}{
		{1999, "19", 380}, {50, "1", 0}, {150, "1", 2}, {250, "1", 2}, {350, "1", 4},
		{-50, "1", 0}, {-150, "1", -2}, {-250, "1", -2}, {1000, "7.7", 77}, {1000, "-0.5", -5},
		{251, "1", 3}, {249, "1", 2}, {0, "19", 0}, {math.MaxInt64, "100", math.MaxInt64},
	} {
		got, err := money.Of(c.amount, "USD").Percent(c.rate)
		require.NoError(t, err)
		require.Equal(t, money.Of(c.want, "USD"), got, "%s %% of %d", c.rate, c.amount)
	}
}

// The reference counts in whole numbers only: amount × points / 10,000.
func TestBasisPointsAgreeWithIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "amount")
		points := rapid.Int64Range(-20_000, 20_000).Draw(t, "points")
		product := amount * points
		want, rest := product/10_000, product%10_000
		step := int64(1)
		if product < 0 {
			rest, step = -rest, -1
		}
		if rest > 5_000 || rest == 5_000 && want%2 != 0 {
			want += step
		}
		got, err := money.Of(amount, "EUR").BasisPoints(points)
		require.NoError(t, err)
		require.Equal(t, want, got.Amount)
	})
}

func TestPercentRefusesWhatIsNoRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []string{"", "x", "1e9", "19%", "1.2.3", "NaN", "--1", "11111111111111111111111111111111111"} {
		_, err := money.Of(1, "USD").Percent(rate)
		require.ErrorIs(t, err, money.ErrSyntax, rate)
	}
	_, err := money.Of(math.MaxInt64, "USD").Percent("101")
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestAllocateLosesNoCent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := amounts().Draw(t, "m")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, math.MaxInt64)), 1, 12).Draw(t, "weights")
		parts, err := m.Allocate(weights...)
		require.NoError(t, err)
		require.Len(t, parts, len(weights))
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		sum := new(big.Int)
		for i, p := range parts {
			require.Equal(t, m.Currency, p.Currency)
			sum.Add(sum, big.NewInt(p.Amount))
			if total.Sign() == 0 {
				continue
			}
			// No part is a whole unit away from its exact share.
			off := new(big.Int).Mul(big.NewInt(m.Amount), big.NewInt(weights[i]))
			off.Sub(off, new(big.Int).Mul(big.NewInt(p.Amount), total))
			require.Negative(t, off.CmpAbs(total))
		}
		require.Equal(t, big.NewInt(m.Amount).String(), sum.String())
	})
}

func TestAllocateIsStable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount  int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{101, []int64{1, 1, 1}, []int64{34, 34, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{5, []int64{3, 7}, []int64{2, 3}},
		{10, []int64{0, 0}, []int64{5, 5}},
		{7, []int64{0, 1}, []int64{0, 7}},
		{1, []int64{2, 3, 5}, []int64{0, 0, 1}},
	} {
		parts, err := money.Of(c.amount, "USD").Allocate(c.weights...)
		require.NoError(t, err)
		got := make([]int64, len(parts))
		for i, p := range parts {
			got[i] = p.Amount
		}
		require.Equal(t, c.want, got)
	}
	_, err := money.Of(1, "USD").Allocate()
	require.ErrorIs(t, err, money.ErrSyntax)
	_, err = money.Of(1, "USD").Allocate(2, -1)
	require.ErrorIs(t, err, money.ErrSyntax)
}

func TestParseReadsWhatDecimalWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := amounts().Draw(t, "m")
		got, err := money.Parse(m.Decimal(), m.Currency)
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, currency string
		want           int64
	}{
		{"19.99", "USD", 1999}, {"19.9", "USD", 1990}, {"19", "USD", 1900}, {"-0.05", "EUR", -5},
		{"500", "JPY", 500}, {"1.234", "KWD", 1234}, {"1", "BHD", 1000}, {"007", "KRW", 7},
	} {
		got, err := money.Parse(c.text, c.currency)
		require.NoError(t, err)
		require.Equal(t, money.Of(c.want, c.currency), got)
	}
	for _, c := range []struct {
		text, currency string
		want           error
	}{
		{"", "USD", money.ErrSyntax}, {".5", "USD", money.ErrSyntax}, {"5.", "USD", money.ErrSyntax},
		{"1,5", "USD", money.ErrSyntax}, {"+1", "USD", money.ErrSyntax}, {"1.999", "USD", money.ErrSyntax},
		{"1.0", "JPY", money.ErrSyntax}, {"1e3", "USD", money.ErrSyntax}, {"--1", "USD", money.ErrSyntax},
		{"1", "usd", money.ErrCurrency}, {"1", "XXX", money.ErrCurrency}, {"92233720368547758.08", "USD", money.ErrOverflow},
	} {
		_, err := money.Parse(c.text, c.currency)
		require.ErrorIs(t, err, c.want, c.text)
	}
}

func TestCurrencies(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2, money.MinorDigits("USD"))
	require.Equal(t, 0, money.MinorDigits("JPY"))
	require.Equal(t, 3, money.MinorDigits("KWD"))
	require.True(t, money.ValidCurrency("EUR"))
	require.False(t, money.ValidCurrency("eur"))
	require.False(t, money.ValidCurrency(""))
}

func TestJSONKeepsEveryDigit(t *testing.T) {
	t.Parallel()
	m := money.Of(math.MaxInt64, "USD")
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, `{"amount":9223372036854775807,"currency":"USD"}`, string(b))
	var got money.Money
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, m, got)
}
