package pricingtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Harness is an implementation in USD and the way to make SKUs known to its
// catalog. It sends to US and DE, not to ZZ; it taxes DE with 19 %, US not at all.
type Harness struct {
	Service pricing.Service
	Publish func(t *testing.T, sku string, grams int64)
}

// Shop is the context of a call that the shop itself makes.
func Shop() context.Context { return port.WithPrincipal(context.Background(), port.System("test")) }

// Staff is the context of a call by somebody who may set prices.
func Staff() context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: "staff-1", Roles: []string{port.RoleStaff}})
}

// Customer is the context of a call by somebody who may not.
func Customer() context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: "u1", Roles: []string{port.RoleCustomer}})
}

// USD makes an amount in cents.
func USD(cents int64) money.Money { return money.Of(cents, "USD") }

// MustPrice sets what a SKU costs, in cents.
func MustPrice(t testing.TB, svc pricing.Service, sku string, cents int64) {
	t.Helper()
	_, err := svc.SetPrices(Staff(), pricing.SetPricesRequest{Prices: []pricing.Price{{SKU: sku, Price: USD(cents)}}})
	require.NoError(t, err)
}

// MustPromote makes a promotion that counts for the next hour.
func MustPromote(t testing.TB, svc pricing.Service, p pricing.Promotion) pricing.Promotion {
	t.Helper()
	if p.StartsAt.IsZero() {
		p.StartsAt, p.EndsAt = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	made, err := svc.CreatePromotion(Staff(), pricing.CreatePromotionRequest{Promotion: p})
	require.NoError(t, err)
	return made
}

// RequireSum checks that a quote adds up to the cent and takes off no more than there is.
func RequireSum(t require.TestingT, q pricing.Quote) {
	var subtotal, discount, tax int64
	for _, l := range q.Lines {
		require.Equal(t, l.Unit.Amount*int64(l.Quantity), l.Total.Amount)
		require.GreaterOrEqual(t, l.Discount.Amount, int64(0))
		require.LessOrEqual(t, l.Discount.Amount, l.Total.Amount)
		require.GreaterOrEqual(t, l.Tax.Amount, int64(0))
		subtotal, discount, tax = subtotal+l.Total.Amount, discount+l.Discount.Amount, tax+l.Tax.Amount
	}
	require.Equal(t, subtotal, q.Subtotal.Amount)
	require.Equal(t, discount, q.Discount.Amount)
	require.Equal(t, tax, q.Tax.Amount)
	require.LessOrEqual(t, q.Discount.Amount, q.Subtotal.Amount)
	require.Equal(t, q.Subtotal.Amount-q.Discount.Amount+q.Shipping.Amount+q.Tax.Amount, q.Total.Amount)
	for _, m := range []money.Money{q.Subtotal, q.Discount, q.Shipping, q.Tax, q.Total} {
		require.Equal(t, "USD", m.Currency)
	}
}

// Exercise checks an implementation against the contract. It uses SKUs, codes and
// keys of its own, so it can run against a service that others use too.
func Exercise(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"prices":               prices,
		"bad prices":           badPrices,
		"only staff":           onlyStaff,
		"quote":                quote,
		"bad quotes":           badQuotes,
		"promotions":           promotions,
		"bad promotions":       badPromotions,
		"keyed quotes":         keyedQuotes,
		"released before":      releasedBefore,
		"usage limit":          usageLimit,
		"last use asked twice": lastUseTwice,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func sku(name string) string { return name + "-" + id.V7() }

func code() string { return "C" + strings.ToUpper(id.V7()) }

// sold makes a SKU that can be bought.
func (h Harness) sold(t *testing.T, cents, grams int64) string {
	t.Helper()
	s := sku("a")
	h.Publish(t, s, grams)
	MustPrice(t, h.Service, s, cents)
	return s
}

func of(country string, items ...pricing.QuoteItem) pricing.QuoteRequest {
	return pricing.QuoteRequest{Items: items, Country: country, ShippingMethod: "standard"}
}

func item(sku string, n int) pricing.QuoteItem { return pricing.QuoteItem{SKU: sku, Quantity: n} }

func prices(t *testing.T, h Harness) {
	a, b, was := sku("a"), sku("b"), USD(3000)
	set := func(p ...pricing.Price) int {
		reply, err := h.Service.SetPrices(Staff(), pricing.SetPricesRequest{Prices: p})
		require.NoError(t, err)
		return reply.Changed
	}
	require.Equal(t, 2, set(pricing.Price{SKU: b, Price: USD(1)}, pricing.Price{SKU: a, Price: USD(1999), CompareAt: &was}))
	require.Equal(t, 0, set(pricing.Price{SKU: b, Price: USD(1)}, pricing.Price{SKU: a, Price: USD(1999), CompareAt: &was}))
	require.Equal(t, 1, set(pricing.Price{SKU: b, Price: USD(2)}, pricing.Price{SKU: a, Price: USD(1999), CompareAt: &was}))
	require.Equal(t, 0, set())
	got, err := h.Service.Prices(context.Background(), pricing.PricesRequest{SKUs: []string{b, sku("unknown"), a}})
	require.NoError(t, err)
	require.Equal(t, []pricing.Price{{SKU: b, Price: USD(2)}, {SKU: a, Price: USD(1999), CompareAt: &was}}, got.Items)
	require.Equal(t, 1, set(pricing.Price{SKU: a, Price: USD(1999)}), "no longer compared")
	none, err := h.Service.Prices(context.Background(), pricing.PricesRequest{})
	require.NoError(t, err)
	require.Equal(t, []pricing.Price{}, none.Items)
}

func badPrices(t *testing.T, h Harness) {
	a, euro := sku("a"), money.Of(1, "EUR")
	MustPrice(t, h.Service, a, 5)
	for name, p := range map[string][]pricing.Price{
		"no SKU":     {{Price: USD(1)}},
		"negative":   {{SKU: a, Price: USD(-1)}},
		"currency":   {{SKU: a, Price: euro}},
		"compare at": {{SKU: a, Price: USD(1), CompareAt: &euro}},
		"twice":      {{SKU: a, Price: USD(1)}, {SKU: a, Price: USD(2)}},
		"one of two": {{SKU: a, Price: USD(1)}, {SKU: sku("b"), Price: USD(-1)}},
	} {
		_, err := h.Service.SetPrices(Staff(), pricing.SetPricesRequest{Prices: p})
		require.ErrorIs(t, err, pricing.InvalidPrice, name)
	}
	got, err := h.Service.Prices(Staff(), pricing.PricesRequest{SKUs: []string{a}})
	require.NoError(t, err)
	require.Equal(t, USD(5), got.Items[0].Price, "nothing is set")
}

func onlyStaff(t *testing.T, h Harness) {
	a := h.sold(t, 100, 1)
	keyed := of("US", item(a, 1))
	keyed.Key = id.V7()
	for _, ctx := range []context.Context{Customer(), context.Background()} {
		_, err := h.Service.SetPrices(ctx, pricing.SetPricesRequest{})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.CreatePromotion(ctx, pricing.CreatePromotionRequest{})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.Quote(ctx, keyed)
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.ReleaseQuote(ctx, pricing.ReleaseQuoteRequest{Key: keyed.Key})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.Quote(ctx, of("US", item(a, 1)))
		require.NoError(t, err, "anyone may ask")
	}
}

func quote(t *testing.T, h Harness) {
	a, b := h.sold(t, 1999, 400), h.sold(t, 50, 0)
	before := time.Now().Add(-time.Minute)
	q, err := h.Service.Quote(Customer(), of("US", item(b, 3), item(a, 1), item(a, 1)))
	require.NoError(t, err)
	RequireSum(t, q)
	require.Len(t, q.Lines, 2, "lines of one SKU are joined")
	require.Equal(t, []string{b, a}, []string{q.Lines[0].SKU, q.Lines[1].SKU})
	require.Equal(t, USD(2*1999+3*50), q.Subtotal)
	require.NotEmpty(t, q.Lines[0].Title)
	require.EqualValues(t, 800, q.Weight)
	require.True(t, q.Tax.IsZero())
	require.True(t, q.Shipping.IsPositive())
	require.True(t, q.ExpiresAt.After(before.Add(pricing.QuoteTTL)))

	taxed, err := h.Service.Quote(Customer(), of("DE", item(b, 1), item(a, 1)))
	require.NoError(t, err)
	RequireSum(t, taxed)
	require.Equal(t, USD(10), taxed.Lines[0].Tax, "9.5 rounds half to even, per line")
	require.Equal(t, USD(380), taxed.Lines[1].Tax, "379.81")
	require.NotEqual(t, q.ID, taxed.ID)

	express := of("US", item(a, 1))
	express.ShippingMethod = "express"
	dear, err := h.Service.Quote(Customer(), express)
	require.NoError(t, err)
	require.Greater(t, dear.Shipping.Amount, q.Shipping.Amount)
}

func badQuotes(t *testing.T, h Harness) {
	a, unpriced, unpublished := h.sold(t, 100, 600_000), sku("u"), sku("x")
	h.Publish(t, unpriced, 1)
	MustPrice(t, h.Service, unpublished, 1)
	many := make([]pricing.QuoteItem, 101)
	for i := range many {
		many[i] = item(a, 1)
	}
	pigeon := of("US", item(a, 1))
	pigeon.ShippingMethod = "pigeon"
	for name, c := range map[string]struct {
		req  pricing.QuoteRequest
		want error
	}{
		"nothing":      {of("US"), pricing.InvalidQuote},
		"none of it":   {of("US", item(a, 0)), pricing.InvalidQuote},
		"negative":     {of("US", item(a, -1)), pricing.InvalidQuote},
		"100 of it":    {of("US", item(a, 100)), pricing.InvalidQuote},
		"50 and 50":    {of("US", item(a, 50), item(a, 50)), pricing.InvalidQuote},
		"101 lines":    {of("US", many...), pricing.InvalidQuote},
		"no SKU":       {of("US", item("", 1)), pricing.InvalidQuote},
		"no price":     {of("US", item(a, 1), item(unpriced, 1)), pricing.UnknownPrice},
		"not for sale": {of("US", item(unpublished, 1)), pricing.UnknownPrice},
		"nowhere":      {of("ZZ", item(a, 1)), pricing.ShippingUnavailable},
		"no country":   {of("", item(a, 1)), pricing.ShippingUnavailable},
		"too heavy":    {of("US", item(a, 2)), pricing.ShippingUnavailable},
		"by pigeon":    {pigeon, pricing.ShippingUnavailable},
	} {
		_, err := h.Service.Quote(Customer(), c.req)
		require.ErrorIs(t, err, c.want, name)
		c.req.Key = id.V7()
		_, err = h.Service.Quote(Shop(), c.req)
		require.ErrorIs(t, err, c.want, name)
	}
}
