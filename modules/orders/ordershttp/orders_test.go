package ordershttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordershttp"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
)

type object = map[string]any

func setup(t *testing.T) (*orderstest.Fake, *webtest.Server) {
	t.Helper()
	fake := orderstest.NewFake()
	fake.Fill("ada", cart.CartRef{SKU: orderstest.InStock, Quantity: 2})
	return fake, webtest.New(t, func(r *web.Router) { ordershttp.Register(r, ordershttp.Deps{Orders: fake}) })
}

func body() object {
	return object{
		"shipping_address": object{"name": "Ada", "line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4LB", "country": "GB"},
		"shipping_method":  "standard",
		"payment":          object{"method": "card", "token": "tok_visa"},
	}
}

func undecided() orders.Order {
	zero := money.Zero("USD")
	return orders.Order{
		ID: "o", Status: orders.Pending, Lines: []orders.Line{}, History: []orders.Change{},
		Totals: orders.Totals{Subtotal: zero, Discount: zero, Shipping: zero, Tax: zero, Total: zero},
	}
}

func ada(key string) webtest.Header {
	return webtest.As("user:ada").With("Idempotency-Key", key)
}

func TestPlace(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	got := s.Do(http.MethodPost, "/api/v1/orders", body(), ada("k1")).Require(http.StatusAccepted)
	require.Equal(t, orders.Pending, got.Get("status"))
	require.Equal(t, "/api/v1/orders/"+got.Get("id"), got.Header.Get("Location"))
	require.NotEmpty(t, got.Get("number"))
	require.Equal(t, "0", got.Get("totals.total.amount"))

	again := s.Do(http.MethodPost, "/api/v1/orders", body(), ada("k1")).Require(http.StatusAccepted)
	require.Equal(t, got.Get("id"), again.Get("id"))
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))

	fake.Fill("ada", cart.CartRef{SKU: orderstest.InStock, Quantity: 1})
	waited := s.Do(http.MethodPost, "/api/v1/orders", body(), ada("k2").With("Prefer", "wait=5")).Require(http.StatusCreated)
	require.Equal(t, orders.Confirmed, waited.Get("status"))
	require.Equal(t, "wait=5", waited.Header.Get("Preference-Applied"))
	require.Equal(t, "/api/v1/orders/"+waited.Get("id"), waited.Header.Get("Location"))
	require.Equal(t, "1999", waited.Get("lines.0.unit_price.amount"))
	require.Equal(t, "", waited.Get("shipment_id"))

	empty := s.Do(http.MethodPost, "/api/v1/orders", body(), webtest.As("user:bob").With("Idempotency-Key", "k").With("Prefer", "wait=1"))
	empty.Require(http.StatusCreated)
	require.Equal(t, orders.CartEmpty, empty.Get("reason"))
}

// Clients and proxies may write each preference on a line of its own (RFC 7240).
func TestPreferencesOnSeveralLines(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	raw, err := json.Marshal(body())
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/orders", bytes.NewReader(raw))
	for name, value := range ada("k").With("Content-Type", "application/json") {
		r.Header.Set(name, value)
	}
	r.Header["Prefer"] = []string{"respond-async", "return=minimal, wait=5"}
	w := httptest.NewRecorder()
	s.Web.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, "wait=5", w.Header().Get("Preference-Applied"))
}

func TestPlacePassesEverythingOn(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	var seen orders.PlaceRequest
	fake.PlaceFunc = func(_ context.Context, req orders.PlaceRequest) (orders.Order, error) {
		seen = req
		return undecided(), nil
	}
	b := body()
	b["promo_code"] = "SPRING"
	b["shipping_address"].(object)["line2"] = "Flat 3"
	s.Do(http.MethodPost, "/api/v1/orders", b, ada("k").With("Prefer", "wait=30")).Require(http.StatusAccepted)
	require.Equal(t, orders.PlaceRequest{
		UserID: "ada", ShippingMethod: "standard", PromoCode: "SPRING", PaymentMethod: "card", PaymentToken: "tok_visa", WaitMillis: 10_000,
		ShippingAddress: orders.Address{Name: "Ada", Line1: "12 St James's Square", Line2: "Flat 3", City: "London", PostalCode: "SW1Y 4LB", Country: "GB"},
	}, seen)
	b["promo_code"], b["shipping_address"].(object)["line2"] = nil, nil
	s.Do(http.MethodPost, "/api/v1/orders", b, ada("k")).Require(http.StatusAccepted)
	require.Empty(t, seen.PromoCode+seen.ShippingAddress.Line2)
}

func TestPlaceRefuses(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	post := func(b any, headers ...webtest.Header) webtest.Response {
		return s.Do(http.MethodPost, "/api/v1/orders", b, headers...)
	}
	post(body()).Require(http.StatusUnauthorized)
	post(body(), webtest.As("user:ada")).RequireCode(http.StatusBadRequest, "idempotency_key.missing")
	for name, spoil := range map[string]func(object){
		"country":  func(b object) { b["shipping_address"].(object)["country"] = "England" },
		"name":     func(b object) { b["shipping_address"].(object)["name"] = "" },
		"method":   func(b object) { b["shipping_method"] = "pigeon" },
		"payment":  func(b object) { b["payment"] = object{"method": "cheque"} },
		"token":    func(b object) { b["payment"] = object{"method": "card"} },
		"missing":  func(b object) { delete(b, "payment") },
		"no city":  func(b object) { delete(b["shipping_address"].(object), "city") },
		"long":     func(b object) { b["shipping_address"].(object)["line1"] = fmt.Sprintf("%0201d", 1) },
		"no promo": func(b object) { b["promo_code"] = fmt.Sprintf("%065d", 1) },
	} {
		b := body()
		spoil(b)
		require.Equal(t, http.StatusUnprocessableEntity, post(b, ada("k-"+name)).Status, name)
	}
	wallet := body()
	wallet["payment"] = object{"method": "wallet", "token": "tok_visa"}
	post(wallet, ada("k-wallet")).RequireCode(http.StatusUnprocessableEntity, "order.invalid")
	wallet["payment"] = object{"method": "wallet"}
	require.Equal(t, orders.ByWallet, post(wallet, ada("k-wallet-2")).Require(http.StatusAccepted).Get("payment_method"))
	unknown := body()
	unknown["coupon"] = "x"
	post(unknown, ada("k-unknown")).Require(http.StatusBadRequest)
}

func TestGetAndList(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	var newest string
	for i := range 3 {
		newest = s.Do(http.MethodPost, "/api/v1/orders", body(), ada(fmt.Sprint("k", i))).Get("id")
	}
	mine, other := webtest.As("user:ada"), webtest.As("user:bob")
	require.Equal(t, newest, s.Do(http.MethodGet, "/api/v1/orders/"+newest, nil, mine).Require(http.StatusOK).Get("id"))
	s.Do(http.MethodGet, "/api/v1/orders/"+newest, nil, webtest.As("staff")).Require(http.StatusOK)
	s.Do(http.MethodGet, "/api/v1/orders/"+newest, nil, other).RequireCode(http.StatusNotFound, "order.not_found")
	s.Do(http.MethodGet, "/api/v1/orders/none", nil, mine).RequireCode(http.StatusNotFound, "order.not_found")

	page := s.Do(http.MethodGet, "/api/v1/orders?limit=2", nil, mine).Require(http.StatusOK)
	require.Equal(t, newest, page.Get("items.0.id"))
	require.Equal(t, "", page.Get("items.2.id"))
	rest := s.Do(http.MethodGet, "/api/v1/orders?limit=2&cursor="+url.QueryEscape(page.Get("next_cursor")), nil, mine).Require(http.StatusOK)
	require.NotEmpty(t, rest.Get("items.0.id"))
	require.Equal(t, "", rest.Get("items.1.id"))
	require.Equal(t, "", rest.Get("next_cursor"))

	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(s.Do(http.MethodGet, "/api/v1/orders", nil, other).Require(http.StatusOK).Raw))
	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(s.Do(http.MethodGet, "/api/v1/orders", nil, webtest.As("staff")).Require(http.StatusOK).Raw))
	require.Equal(t, newest, s.Do(http.MethodGet, "/api/v1/orders?all=true", nil, webtest.As("staff")).Require(http.StatusOK).Get("items.0.id"))
	s.Do(http.MethodGet, "/api/v1/orders?all=true", nil, mine).RequireCode(http.StatusForbidden, "forbidden")
	s.Do(http.MethodGet, "/api/v1/orders?limit=101", nil, mine).Require(http.StatusUnprocessableEntity)
	s.Do(http.MethodGet, "/api/v1/orders?cursor=nonsense", nil, mine).Require(http.StatusBadRequest)
	s.Do(http.MethodGet, "/api/v1/orders", nil).Require(http.StatusUnauthorized)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	order := s.Do(http.MethodPost, "/api/v1/orders", body(), ada("k").With("Prefer", "wait=5")).Require(http.StatusCreated)
	path := "/api/v1/orders/" + order.Get("id") + "/cancel"
	s.Do(http.MethodPost, path, nil, webtest.As("user:ada")).RequireCode(http.StatusBadRequest, "idempotency_key.missing")
	s.Do(http.MethodPost, path, nil, webtest.As("user:bob").With("Idempotency-Key", "c")).RequireCode(http.StatusNotFound, "order.not_found")
	require.Equal(t, orders.Cancelled, s.Do(http.MethodPost, path, nil, ada("c1")).Require(http.StatusOK).Get("status"))

	fake.Become(order.Get("id"), orders.Shipped)
	s.Do(http.MethodPost, path, nil, ada("c2")).RequireCode(http.StatusConflict, "order.not_cancellable")

	fake.CancelFunc = func(context.Context, orders.CancelRequest) (orders.Order, error) {
		return undecided(), nil
	}
	answer := s.Do(http.MethodPost, path, nil, ada("c3")).Require(http.StatusAccepted)
	require.Equal(t, "/api/v1/orders/o", answer.Header.Get("Location"))
}
