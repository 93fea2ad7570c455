package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// ownership tries to see and to do what is not one's own.
func ownership(t *testing.T, s *shoptest.Server) {
	admin, owner, other, nobody := s.Admin(t), s.Customer(t), s.Customer(t), s.Anyone()
	order := owner.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"), order.Raw)
	shipment := s.Dispatched(t, admin, order.Text("id"))

	for path, code := range map[string]string{
		"/orders/" + order.Text("id"):           "order.not_found",
		"/payments/" + order.Text("payment_id"): "payment.not_found",
		"/shipments/" + shipment:                "shipment.not_found",
	} {
		owner.Get(t, path)
		admin.Get(t, path)
		other.Refused(t, http.StatusNotFound, code, http.MethodGet, path, nil)
		nobody.Refused(t, http.StatusUnauthorized, "unauthenticated", http.MethodGet, path, nil)
		for name, token := range forgeries(t, owner) {
			a, err := nobody.With("Authorization", token).Try(t.Context(), http.MethodGet, path, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, a.Status, "%s: %s", name, a.Raw)
			require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
		}
	}
	require.Empty(t, other.Get(t, "/orders").At("items"))
	other.Keyed().Refused(t, http.StatusNotFound, "order.not_found", http.MethodPost, "/orders/"+order.Text("id")+"/cancel", nil)
	require.Equal(t, "cart.unknown_token", nobody.With("X-Cart-Token", "made-up").Do(t, http.StatusNotFound, http.MethodGet, "/cart", nil).Text("code"))

	for _, r := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPut, "/stock/" + shoptest.Staple, shoptest.Object{"on_hand": 1000}},
		{http.MethodPut, "/prices/" + shoptest.Staple, shoptest.Object{"price": shoptest.Object{"amount": 1, "currency": "USD"}}},
		{http.MethodPost, "/promotions", promotion("MINE", 1)},
		{http.MethodPost, "/products", shoptest.Object{"handle": "mine", "title": "Mine", "variants": []shoptest.Object{{"sku": "mine"}}}},
		{http.MethodPost, "/products/fiddle-leaf-fig/archive", nil},
		{http.MethodPost, "/shipments/" + shipment + "/deliver", nil},
		{http.MethodPost, "/payments/" + order.Text("payment_id") + "/refunds", shoptest.Object{"amount": shoptest.Object{"amount": 1, "currency": "USD"}}},
		{http.MethodGet, "/orders?all=true", nil},
	} {
		owner.Keyed().Refused(t, http.StatusForbidden, "forbidden", r.method, r.path, r.body)
		nobody.Keyed().Refused(t, http.StatusUnauthorized, "unauthenticated", r.method, r.path, r.body)
	}

	ledger := "//sandbox/psp/charges?reference=" + order.Text("id")
	for _, c := range []shoptest.Client{nobody, owner} {
		a, err := c.At(s.Ops).Try(t.Context(), http.MethodGet, ledger, nil)
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.Status, a.Raw)
		require.NotContains(t, a.Raw, "captured")
	}
	require.Equal(t, []string{"captured"}, shoptest.Statuses(s.Ledger(t, admin, order.Text("id"))))
}

// forgeries are tokens that must not be believed, made from a good one.
func forgeries(t *testing.T, c shoptest.Client) map[string]string {
	t.Helper()
	good := strings.TrimPrefix(c.Sends("Authorization"), "Bearer ")
	parts := strings.Split(good, ".")
	require.Len(t, parts, 3)
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.Contains(t, string(claims), `"customer"`)
	admin := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(claims), `"customer"`, `"admin"`)))
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	return map[string]string{
		"changed claims":   "Bearer " + parts[0] + "." + admin + "." + parts[2],
		"without signing":  "Bearer " + unsigned + "." + admin + ".",
		"foreign signing":  "Bearer " + parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"no token at all":  "Bearer nonsense",
		"another scheme":   "Basic " + good,
		"cut short":        "Bearer " + good[:len(good)-10],
		"nothing in there": "Bearer ",
	}
}
