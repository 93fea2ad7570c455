package pricinghttp_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricinghttp"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
	"github.com/banyan-tree/banyan/modules/shipping/shippingtest"
)

type object = map[string]any

var (
	staff    = webtest.As("staff")
	customer = webtest.As("user:u1")
)

func usd(cents int64) object { return object{"amount": cents, "currency": "USD"} }

func setup(t *testing.T) (*catalogtest.Fake, *webtest.Server) {
	t.Helper()
	products := catalogtest.NewFake()
	fake := pricingtest.NewFake(products, shippingtest.NewFake())
	return products, webtest.New(t, func(r *web.Router) { pricinghttp.Register(r, pricinghttp.Deps{Pricing: fake}) })
}

func TestPrices(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	const fig = "/api/v1/prices/fig"
	s.Do(http.MethodGet, fig, nil).RequireCode(http.StatusNotFound, "price.not_found")
	for range 2 {
		s.Do(http.MethodPut, fig, object{"price": usd(1999), "compare_at_price": usd(2500)}, staff).Require(http.StatusOK)
	}
	got := s.Do(http.MethodGet, fig, nil).Require(http.StatusOK)
	require.Equal(t, `{"amount":1999,"currency":"USD"}`, got.Get("price"))
	require.Equal(t, "2500", got.Get("compare_at_price.amount"))
	s.Do(http.MethodPut, fig, object{"price": usd(5), "compare_at_price": nil}, webtest.As("admin")).Require(http.StatusOK)
	require.Empty(t, s.Do(http.MethodGet, fig, nil).Require(http.StatusOK).Get("compare_at_price"))

	for name, c := range map[string]struct {
		body   any
		as     webtest.Header
		status int
	}{
		"nobody":   {object{"price": usd(1)}, nil, http.StatusUnauthorized},
		"customer": {object{"price": usd(1)}, customer, http.StatusForbidden},
		"negative": {object{"price": usd(-1)}, staff, http.StatusUnprocessableEntity},
		"currency": {object{"price": object{"amount": 1, "currency": "EUR"}}, staff, http.StatusUnprocessableEntity},
		"missing":  {object{}, staff, http.StatusUnprocessableEntity},
		"text":     {object{"price": "19.99"}, staff, http.StatusBadRequest},
		"fraction": {object{"price": object{"amount": 19.99, "currency": "USD"}}, staff, http.StatusBadRequest},
		"unknown":  {object{"price": usd(1), "sku": "other"}, staff, http.StatusBadRequest},
	} {
		require.Equal(t, c.status, s.Do(http.MethodPut, fig, c.body, c.as).Status, name)
	}
}

func promotion(code string) object {
	now := time.Now().UTC()
	return object{
		"code": code, "kind": "percent", "value": 10, "starts_at": now.Add(-time.Hour), "ends_at": now.Add(time.Hour),
		"min_subtotal": usd(100), "usage_limit": 5,
	}
}

func TestPromotions(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	const path = "/api/v1/promotions"
	got := s.Do(http.MethodPost, path, promotion("spring10"), staff).Require(http.StatusCreated)
	require.Equal(t, "SPRING10", got.Get("code"))
	require.Equal(t, "0", got.Get("used"))
	s.Do(http.MethodPost, path, promotion("SPRING10"), staff).RequireCode(http.StatusConflict, "promotion.exists")
	s.Do(http.MethodPost, path, promotion("A B"), staff).RequireCode(http.StatusUnprocessableEntity, "promotion.invalid")
	s.Do(http.MethodPost, path, promotion("X"), customer).RequireCode(http.StatusForbidden, "forbidden")
	s.Do(http.MethodPost, path, promotion("X")).RequireCode(http.StatusUnauthorized, "unauthenticated")
	least := promotion("LEAST")
	delete(least, "min_subtotal")
	delete(least, "usage_limit")
	s.Do(http.MethodPost, path, least, staff).Require(http.StatusCreated)
	for field, value := range map[string]any{"kind": "gift", "value": 0, "code": "", "usage_limit": -1, "starts_at": "soon"} {
		bad := promotion("BAD")
		bad[field] = value
		s.Do(http.MethodPost, path, bad, staff).Require(http.StatusUnprocessableEntity)
	}
}

func TestQuotes(t *testing.T) {
	t.Parallel()
	products, s := setup(t)
	const path = "/api/v1/quotes"
	catalogtest.MustPublish(t, products, catalogtest.Input("fig"))
	s.Do(http.MethodPut, "/api/v1/prices/fig", object{"price": usd(1000)}, staff).Require(http.StatusOK)
	s.Do(http.MethodPost, "/api/v1/promotions", promotion("TEN"), staff).Require(http.StatusCreated)
	ask := func() object {
		return object{"items": []object{{"sku": "fig", "quantity": 2}}, "country": "DE", "shipping_method": "standard", "promo_code": "ten"}
	}
	var q pricing.Quote
	s.Do(http.MethodPost, path, ask()).Require(http.StatusCreated).Decode(&q)
	pricingtest.RequireSum(t, q)
	require.Equal(t, pricingtest.USD(200), q.Discount)
	require.Equal(t, pricingtest.USD(342), q.Tax)
	require.Equal(t, "TEN", q.PromoCode)

	for name, c := range map[string]struct {
		field string
		value any
		code  string
	}{
		"unknown SKU": {"items", []object{{"sku": "ivy", "quantity": 1}}, "price.unknown"},
		"promotion":   {"promo_code", "NONE", "promotion.invalid"},
		"country":     {"country", "ZZ", "shipping.unavailable"},
		"no country":  {"country", "Germany", "invalid"},
		"method":      {"shipping_method", "pigeon", "invalid"},
		"none of it":  {"items", []object{{"sku": "fig", "quantity": 0}}, "invalid"},
		"100 of it":   {"items", []object{{"sku": "fig", "quantity": 100}}, "invalid"},
		"no items":    {"items", []object{}, "invalid"},
		"too many":    {"items", []object{{"sku": "fig", "quantity": 99}, {"sku": "fig", "quantity": 1}}, "quote.invalid"},
		"without SKU": {"items", []object{{"quantity": 1}}, "invalid"},
	} {
		bad := ask()
		bad[c.field] = c.value
		got := s.Do(http.MethodPost, path, bad, customer).Require(http.StatusUnprocessableEntity)
		require.Equal(t, c.code, got.Get("code"), name)
	}
	withKey := ask()
	withKey["key"] = "order-1"
	s.Do(http.MethodPost, path, withKey, customer).Require(http.StatusBadRequest)
}

// refusing answers as pricing does, of the price in its list.
type refusing struct{ pricing.Service }

func (refusing) SetPrices(context.Context, pricing.SetPricesRequest) (pricing.SetPricesReply, error) {
	return pricing.SetPricesReply{}, pricing.InvalidPrice.Errorf("the prices are not valid").WithField("/prices/0/price", "too much")
}

func TestPointersPointIntoTheBody(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) { pricinghttp.Register(r, pricinghttp.Deps{Pricing: refusing{}}) })
	got := s.Do(http.MethodPut, "/api/v1/prices/fig", object{"price": usd(1)}, staff).RequireCode(http.StatusUnprocessableEntity, "price.invalid")
	require.Equal(t, "/price", got.Get("errors.0.pointer"))
}
