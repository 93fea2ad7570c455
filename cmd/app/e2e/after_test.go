package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCancelAndRefund gives goods and money back, before and after the parcel left.
func TestCancelAndRefund(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		admin, buyer, before := s.admin(t), s.customer(t), s.stock(t, staple)

		order := buyer.buy(t, staple, 5, "tok_visa")
		require.Equal(t, before.onHand-5, s.stock(t, staple).onHand)
		cancel := buyer.keyed()
		path := "/orders/" + order.text("id") + "/cancel"
		first := cancel.do(t, http.StatusOK, http.MethodPost, path, nil)
		require.Equal(t, "cancelled", first.text("status"))
		require.Equal(t, "cancel.requested", first.text("reason"))
		again := cancel.do(t, http.StatusOK, http.MethodPost, path, nil)
		require.Equal(t, first.raw, again.raw)
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
		buyer.reaches(t, "/payments/"+order.text("payment_id"), "voided")
		require.Equal(t, []string{"voided"}, statuses(s.ledger(t, admin, order.text("id"))))
		s.settles(t, staple, before)

		order = buyer.buy(t, staple, 2, "tok_visa")
		require.Equal(t, "confirmed", order.text("status"), order.raw)
		shipment := s.dispatched(t, admin, order.text("id"))
		buyer.keyed().refused(t, http.StatusConflict, "order.not_cancellable", http.MethodPost, "/orders/"+order.text("id")+"/cancel", nil)
		admin.do(t, http.StatusOK, http.MethodPost, "/shipments/"+shipment+"/deliver", nil)
		buyer.reaches(t, "/orders/"+order.text("id"), "delivered")

		total := order.number(t, "totals.total.amount")
		refunds := "/payments/" + order.text("payment_id") + "/refunds"
		part := func(n int64) object { return object{"amount": object{"amount": n, "currency": "USD"}} }
		admin.refused(t, http.StatusBadRequest, "idempotency_key.missing", http.MethodPost, refunds, part(1))
		refund := admin.keyed()
		require.Equal(t, int64(100), refund.do(t, http.StatusCreated, http.MethodPost, refunds, part(100)).number(t, "refunded.amount"))
		require.Equal(t, int64(100), refund.do(t, http.StatusCreated, http.MethodPost, refunds, part(100)).number(t, "refunded.amount"), "the same refund")
		admin.keyed().refused(t, http.StatusConflict, "payment.not_refundable", http.MethodPost, refunds, part(total))
		require.Equal(t, total, admin.keyed().do(t, http.StatusCreated, http.MethodPost, refunds, part(total-100)).number(t, "refunded.amount"))
		require.Equal(t, []string{"refunded"}, statuses(s.ledger(t, admin, order.text("id"))))

		wallet := orderBody("")
		wallet["payment"] = object{"method": "wallet"}
		buyer.keyed().refused(t, http.StatusUnprocessableEntity, "payment.method_unsupported", http.MethodPost, "/orders", wallet)
		s.settles(t, staple, stock{onHand: before.onHand - 2})
		s.audited(t)
	})
}

func promotion(code string, limit int) object {
	now := time.Now().UTC()
	return object{
		"code": code, "kind": "percent", "value": 10, "usage_limit": limit,
		"starts_at": now.Add(-time.Hour).Format(time.RFC3339), "ends_at": now.Add(time.Hour).Format(time.RFC3339),
	}
}

// TestCartAndPromotion takes a guest's cart along to the log-in, and lets two
// buyers race for a promotion that is good once.
func TestCartAndPromotion(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		email := "guest@example.com"
		s.anyone().do(t, http.StatusCreated, http.MethodPost, "/users", object{"email": email, "password": password, "name": "Guest"})
		s.logIn(t, email, password).putInCart(t, staple, 1)
		opened := s.anyone().putInCart(t, staple, 2)
		guest := s.anyone().with("X-Cart-Token", opened.header.Get("X-Cart-Token"))
		require.Equal(t, int64(2), guest.get(t, "/cart").number(t, "lines.0.quantity"))
		guest.putInCart(t, "fiddle-leaf-fig--large", 1)
		session := guest.do(t, http.StatusCreated, http.MethodPost, "/sessions", object{"email": email, "password": password})
		merged := s.anyone().with("Authorization", "Bearer "+session.text("access_token")).get(t, "/cart")
		require.Len(t, merged.at("lines"), 2, merged.raw)
		require.Equal(t, int64(3), merged.number(t, "lines.0.quantity"), merged.raw)
		guest.refused(t, http.StatusNotFound, "cart.unknown_token", http.MethodGet, "/cart", nil)

		admin := s.admin(t)
		admin.do(t, http.StatusCreated, http.MethodPost, "/promotions", promotion("ONCE", 1))
		admin.refused(t, http.StatusConflict, "promotion.exists", http.MethodPost, "/promotions", promotion("once", 1))
		body := orderBody("tok_visa")
		body["promo_code"] = "ONCE"
		var ids [2]string
		buyers := [2]client{s.customer(t), s.customer(t)}
		for i, b := range buyers {
			b.putInCart(t, staple, 1)
			ids[i] = b.keyed().do(t, http.StatusAccepted, http.MethodPost, "/orders", body).text("id")
		}
		outcomes := map[string]int{}
		for i, b := range buyers {
			o := b.decided(t, ids[i])
			outcomes[o.text("status")+" "+o.text("reason")]++
			if o.text("status") == "confirmed" {
				require.Equal(t, o.number(t, "totals.subtotal.amount"), 10*o.number(t, "totals.discount.amount"))
			} else {
				require.Empty(t, s.ledger(t, admin, ids[i]))
			}
		}
		require.Equal(t, map[string]int{"confirmed ": 1, "rejected promotion.invalid": 1}, outcomes)
		s.audited(t)
	})
}

// TestRefusals sends what the API must not take. None of it may leave a trace.
func TestRefusals(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		admin, buyer := s.admin(t), s.customer(t)

		product := object{"handle": "snake-plant-e2e", "title": "Snake", "variants": []object{{"sku": "snake-e2e"}}}
		made := admin.do(t, http.StatusCreated, http.MethodPost, "/products", product)
		seen := made.header.Get("ETag")
		require.NotEmpty(t, seen)
		product["title"] = "Snake plant"
		changed := admin.with("If-Match", seen).do(t, http.StatusOK, http.MethodPut, "/products/snake-plant-e2e", product)
		require.NotEqual(t, seen, changed.header.Get("ETag"))
		a := admin.with("If-Match", seen).do(t, http.StatusPreconditionFailed, http.MethodPut, "/products/snake-plant-e2e", product)
		require.NotEmpty(t, a.text("code"), a.raw)
		s.anyone().do(t, http.StatusNotFound, http.MethodGet, "/products/snake-plant-e2e", nil)
		admin.do(t, http.StatusOK, http.MethodPost, "/products/snake-plant-e2e/publish", nil)
		s.anyone().get(t, "/products/snake-plant-e2e")

		bad := orderBody("tok_visa")
		bad["shipping_method"] = "pigeon"
		bad["shipping_address"].(object)["country"] = "England"
		a = buyer.keyed().do(t, http.StatusUnprocessableEntity, http.MethodPost, "/orders", bad)
		require.ElementsMatch(t, []string{"/shipping_method", "/shipping_address/country"}, pointers(t, a))
		a = s.anyone().do(t, http.StatusUnprocessableEntity, http.MethodPost, "/users", object{"email": "x@example.com", "password": "short", "name": "X"})
		require.Equal(t, []string{"/password"}, pointers(t, a))

		for name, body := range map[string]string{
			"unknown field": `{"quantity":1,"colour":"red"}`, "wrong type": `{"quantity":"1"}`, "trailing data": `{"quantity":1} {}`, "no JSON": `quantity=1`,
		} {
			a, err := buyer.try(t.Context(), http.MethodPut, "/cart/items/"+staple, body)
			require.NoError(t, err, name)
			require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", name, a.raw)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), name)
		}
		large := `{"quantity":1,"note":"` + strings.Repeat("x", 1<<20) + `"}`
		require.NotEmpty(t, buyer.do(t, http.StatusRequestEntityTooLarge, http.MethodPut, "/cart/items/"+staple, large).text("code"))
		buyer.refused(t, http.StatusUnprocessableEntity, "cart.unknown_sku", http.MethodPut, "/cart/items/no-such-thing", object{"quantity": 1})
		require.Empty(t, buyer.get(t, "/cart").at("lines"))
		require.Empty(t, buyer.get(t, "/orders").at("items"))
	})
}

func pointers(t *testing.T, a answer) []string {
	t.Helper()
	out := []string{}
	list, _ := a.at("errors").([]any)
	for _, e := range list {
		out = append(out, e.(object)["pointer"].(string))
	}
	require.NotEmpty(t, out, a.raw)
	return out
}
