package e2e

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOwnership tries to see and to do what is not one's own.
func TestOwnership(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		admin, owner, other, nobody := s.admin(t), s.customer(t), s.customer(t), s.anyone()
		order := owner.buy(t, staple, 1, "tok_visa")
		require.Equal(t, "confirmed", order.text("status"), order.raw)
		shipment := s.dispatched(t, admin, order.text("id"))

		for path, code := range map[string]string{
			"/orders/" + order.text("id"):           "order.not_found",
			"/payments/" + order.text("payment_id"): "payment.not_found",
			"/shipments/" + shipment:                "shipment.not_found",
		} {
			owner.get(t, path)
			admin.get(t, path)
			other.refused(t, http.StatusNotFound, code, http.MethodGet, path, nil)
			nobody.refused(t, http.StatusUnauthorized, "unauthenticated", http.MethodGet, path, nil)
			for name, token := range forgeries(t, owner) {
				a, err := nobody.with("Authorization", token).try(t.Context(), http.MethodGet, path, nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", name, a.raw)
				require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
			}
		}
		require.Empty(t, other.get(t, "/orders").at("items"))
		other.keyed().refused(t, http.StatusNotFound, "order.not_found", http.MethodPost, "/orders/"+order.text("id")+"/cancel", nil)
		require.Equal(t, "cart.unknown_token", nobody.with("X-Cart-Token", "made-up").do(t, http.StatusNotFound, http.MethodGet, "/cart", nil).text("code"))

		for _, r := range []struct {
			method, path string
			body         any
		}{
			{http.MethodPut, "/stock/" + staple, object{"on_hand": 1000}},
			{http.MethodPut, "/prices/" + staple, object{"price": object{"amount": 1, "currency": "USD"}}},
			{http.MethodPost, "/promotions", promotion("MINE", 1)},
			{http.MethodPost, "/products", object{"handle": "mine", "title": "Mine", "variants": []object{{"sku": "mine"}}}},
			{http.MethodPost, "/products/fiddle-leaf-fig/archive", nil},
			{http.MethodPost, "/shipments/" + shipment + "/deliver", nil},
			{http.MethodPost, "/payments/" + order.text("payment_id") + "/refunds", object{"amount": object{"amount": 1, "currency": "USD"}}},
			{http.MethodGet, "/orders?all=true", nil},
		} {
			owner.keyed().refused(t, http.StatusForbidden, "forbidden", r.method, r.path, r.body)
			nobody.keyed().refused(t, http.StatusUnauthorized, "unauthenticated", r.method, r.path, r.body)
		}

		ledger := "//sandbox/psp/charges?reference=" + order.text("id")
		for _, c := range []client{nobody, owner} {
			a, err := c.at(s.ops).try(t.Context(), http.MethodGet, ledger, nil)
			require.NoError(t, err)
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.status, a.raw)
			require.NotContains(t, a.raw, "captured")
		}
		require.Equal(t, []string{"captured"}, statuses(s.ledger(t, admin, order.text("id"))))
		s.audited(t)
	})
}

// forgeries are tokens that must not be believed, made from a good one.
func forgeries(t *testing.T, c client) map[string]string {
	t.Helper()
	good := strings.TrimPrefix(c.headers["Authorization"], "Bearer ")
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
