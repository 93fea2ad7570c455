package shippinghttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/shippinghttp"
	"github.com/banyan-tree/banyan/modules/shipping/shippingtest"
)

var (
	staff = webtest.As("staff")
	ada   = webtest.As("user:ada")
	eve   = webtest.As("user:eve")
)

func setup(t *testing.T) (shippingtest.Harness, *webtest.Server) {
	t.Helper()
	fake := shippingtest.NewFake()
	h := shippingtest.Harness{Service: fake, Hear: func(events ...event.Event) error {
		fake.Hear(events...)
		return nil
	}}
	return h, webtest.New(t, func(r *web.Router) { shippinghttp.Register(r, shippinghttp.Deps{Shipping: fake}) })
}

func parcel(carrier, tracking string) map[string]any {
	return map[string]any{"carrier": carrier, "tracking_number": tracking}
}

func TestRates(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	got := s.Do(http.MethodGet, "/api/v1/shipping/rates?country=US&weight_grams=1500", nil).Require(http.StatusOK)
	require.Equal(t, "standard", got.Get("items.0.method"))
	require.Equal(t, `{"amount":600,"currency":"USD"}`, got.Get("items.0.price"))
	require.Equal(t, "express", got.Get("items.1.method"))
	require.Equal(t, "500", s.Do(http.MethodGet, "/api/v1/shipping/rates?country=us", nil).Require(http.StatusOK).Get("items.0.price.amount"))
	require.Equal(t, "[]", s.Do(http.MethodGet, "/api/v1/shipping/rates?country=ZZ", nil).Require(http.StatusOK).Get("items"))
	for query, status := range map[string]int{
		"":                           http.StatusUnprocessableEntity,
		"country=USA":                http.StatusUnprocessableEntity,
		"country=US&weight_grams=-1": http.StatusUnprocessableEntity,
		"country=US&weight_grams=x":  http.StatusBadRequest,
		"country=US&kilos=1":         http.StatusBadRequest,
	} {
		require.Equal(t, status, s.Do(http.MethodGet, "/api/v1/shipping/rates?"+query, nil).Status, query)
	}
}

func TestShipmentIsSeenByItsOwner(t *testing.T) {
	t.Parallel()
	h, s := setup(t)
	sh := shippingtest.MustShip(t, h)
	path := "/api/v1/shipments/" + sh.ID
	var got shipping.Shipment
	s.Do(http.MethodGet, path, nil, ada).Require(http.StatusOK).Decode(&got)
	require.Equal(t, sh, got)
	s.Do(http.MethodGet, path, nil, staff).Require(http.StatusOK)
	s.Do(http.MethodGet, path, nil, eve).RequireCode(http.StatusNotFound, "shipment.not_found")
	s.Do(http.MethodGet, path, nil).RequireCode(http.StatusUnauthorized, "unauthenticated")
	s.Do(http.MethodGet, "/api/v1/shipments/none", nil, ada).RequireCode(http.StatusNotFound, "shipment.not_found")
}

func TestShipmentIsDispatchedAndDelivered(t *testing.T) {
	t.Parallel()
	h, s := setup(t)
	path := "/api/v1/shipments/" + shippingtest.MustShip(t, h).ID
	for who, status := range map[string]int{"user:ada": http.StatusForbidden, "user:eve": http.StatusForbidden, "forged": http.StatusUnauthorized} {
		require.Equal(t, status, s.Do(http.MethodPost, path+"/dispatch", parcel("c", "t"), webtest.As(who)).Status)
		require.Equal(t, status, s.Do(http.MethodPost, path+"/deliver", nil, webtest.As(who)).Status)
	}
	s.Do(http.MethodPost, path+"/deliver", nil, staff).RequireCode(http.StatusConflict, "shipment.invalid_transition")
	s.Do(http.MethodPost, path+"/dispatch", parcel("", "t"), staff).Require(http.StatusUnprocessableEntity)
	s.Do(http.MethodPost, path+"/dispatch", parcel("c", strings.Repeat("t", 201)), staff).Require(http.StatusUnprocessableEntity)
	s.Do(http.MethodPost, path+"/dispatch", parcel(" ", "t"), staff).RequireCode(http.StatusUnprocessableEntity, "shipment.invalid")
	s.Do(http.MethodPost, path+"/dispatch", map[string]any{"carrier": "c"}, staff).Require(http.StatusUnprocessableEntity)
	for range 2 {
		got := s.Do(http.MethodPost, path+"/dispatch", parcel("Banyan Post", "BP-1"), staff).Require(http.StatusOK)
		require.Equal(t, "dispatched", got.Get("status"))
		require.NotEmpty(t, got.Get("dispatched_at"))
	}
	s.Do(http.MethodPost, path+"/dispatch", parcel("Banyan Post", "BP-2"), staff).RequireCode(http.StatusConflict, "shipment.invalid_transition")
	for range 2 {
		got := s.Do(http.MethodPost, path+"/deliver", nil, webtest.As("admin")).Require(http.StatusOK)
		require.Equal(t, "delivered", got.Get("status"))
		require.NotEmpty(t, got.Get("delivered_at"))
	}
	s.Do(http.MethodPost, "/api/v1/shipments/none/dispatch", parcel("c", "t"), staff).RequireCode(http.StatusNotFound, "shipment.not_found")
	s.Do(http.MethodPost, "/api/v1/shipments/none/deliver", nil, staff).RequireCode(http.StatusNotFound, "shipment.not_found")
}
