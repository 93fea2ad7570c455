package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// givesBack gives goods and money back, before and after the parcel left.
func givesBack(t *testing.T, s *shoptest.Server) {
	admin, buyer, before := s.Admin(t), s.Customer(t), s.Stock(t, shoptest.Staple)

	order := buyer.Buy(t, shoptest.Staple, 5, "tok_visa")
	require.Equal(t, before.OnHand-5, s.Stock(t, shoptest.Staple).OnHand)
	cancel := buyer.Keyed()
	path := "/orders/" + order.Text("id") + "/cancel"
	first := cancel.Ask(t, http.MethodPost, path, nil, shoptest.Taken)
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, first.Status, first.Raw) // 202: not decided within seconds
	again := cancel.Do(t, first.Status, http.MethodPost, path, nil)
	require.Equal(t, first.Raw, again.Raw)
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	require.Equal(t, "cancel.requested", buyer.Reaches(t, "/orders/"+order.Text("id"), "cancelled").Text("reason"))
	buyer.Reaches(t, "/payments/"+order.Text("payment_id"), "voided")
	require.Equal(t, []string{"voided"}, shoptest.Statuses(s.Ledger(t, admin, order.Text("id"))))
	s.Settles(t, shoptest.Staple, before)

	order = buyer.Buy(t, shoptest.Staple, 2, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"), order.Raw)
	shipment := s.Dispatched(t, admin, order.Text("id"))
	buyer.Reaches(t, "/orders/"+order.Text("id"), "shipped") // before that shipping is asked, and may take its time
	buyer.Keyed().Refused(t, http.StatusConflict, "order.not_cancellable", http.MethodPost, "/orders/"+order.Text("id")+"/cancel", nil)
	s.Delivered(t, admin, shipment)
	buyer.Reaches(t, "/orders/"+order.Text("id"), "delivered")

	total := order.Number(t, "totals.total.amount")
	refunds := "/payments/" + order.Text("payment_id") + "/refunds"
	part := func(n int64) shoptest.Object {
		return shoptest.Object{"amount": shoptest.Object{"amount": n, "currency": "USD"}}
	}
	admin.Refused(t, http.StatusBadRequest, "idempotency_key.missing", http.MethodPost, refunds, part(1))
	refund := admin.Keyed()
	require.Equal(t, int64(100), refund.Do(t, http.StatusCreated, http.MethodPost, refunds, part(100)).Number(t, "refunded.amount"))
	require.Equal(t, int64(100), refund.Do(t, http.StatusCreated, http.MethodPost, refunds, part(100)).Number(t, "refunded.amount"), "the same refund")
	admin.Keyed().Refused(t, http.StatusConflict, "payment.not_refundable", http.MethodPost, refunds, part(total))
	require.Equal(t, total, admin.Keyed().Do(t, http.StatusCreated, http.MethodPost, refunds, part(total-100)).Number(t, "refunded.amount"))
	require.Equal(t, []string{"refunded"}, shoptest.Statuses(s.Ledger(t, admin, order.Text("id"))))

	s.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: before.OnHand - 2})
}

func promotion(code string, limit int) shoptest.Object {
	now := time.Now().UTC()
	return shoptest.Object{
		"code": code, "kind": "percent", "value": 10, "usage_limit": limit,
		"starts_at": now.Add(-time.Hour).Format(time.RFC3339), "ends_at": now.Add(time.Hour).Format(time.RFC3339),
	}
}

// cartAndPromotion takes a guest's cart along to the log-in, and lets two
// buyers race for a promotion that is good once.
func cartAndPromotion(t *testing.T, s *shoptest.Server) {
	email := "guest@example.com"
	s.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/users", shoptest.Object{"email": email, "password": shoptest.Password, "name": "Guest"})
	s.LogIn(t, email, shoptest.Password).PutInCart(t, shoptest.Staple, 1)
	opened := s.Anyone().PutInCart(t, shoptest.Staple, 2)
	guest := s.Anyone().With("X-Cart-Token", opened.Header.Get("X-Cart-Token"))
	require.Equal(t, int64(2), guest.Get(t, "/cart").Number(t, "lines.0.quantity"))
	guest.PutInCart(t, "fiddle-leaf-fig--large", 1)
	session := guest.Do(t, http.StatusCreated, http.MethodPost, "/sessions", shoptest.Object{"email": email, "password": shoptest.Password})
	merged := s.Anyone().With("Authorization", "Bearer "+session.Text("access_token")).Get(t, "/cart")
	require.Len(t, merged.At("lines"), 2, merged.Raw)
	require.Equal(t, int64(3), merged.Number(t, "lines.0.quantity"), merged.Raw)
	guest.Refused(t, http.StatusNotFound, "cart.unknown_token", http.MethodGet, "/cart", nil)

	admin := s.Admin(t)
	admin.Do(t, http.StatusCreated, http.MethodPost, "/promotions", promotion("ONCE", 1))
	admin.Refused(t, http.StatusConflict, "promotion.exists", http.MethodPost, "/promotions", promotion("once", 1))
	body := shoptest.OrderBody("tok_visa")
	body["promo_code"] = "ONCE"
	var ids [2]string
	buyers := [2]shoptest.Client{s.Customer(t), s.Customer(t)}
	for i, b := range buyers {
		b.PutInCart(t, shoptest.Staple, 1)
		ids[i] = b.Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", body).Text("id")
	}
	outcomes := map[string]int{}
	var user, late int
	for i, b := range buyers {
		o := b.Decided(t, ids[i])
		outcomes[o.Text("status")+" "+o.Text("reason")]++
		if o.Text("status") == "confirmed" {
			require.Equal(t, o.Number(t, "totals.subtotal.amount"), 10*o.Number(t, "totals.discount.amount"))
			user = i
		} else {
			late = i
			require.Empty(t, s.Ledger(t, admin, ids[i]))
		}
	}
	require.Equal(t, map[string]int{"confirmed ": 1, "rejected promotion.invalid": 1}, outcomes)

	// Whoever cancels leaves the promotion to the next.
	buyers[user].Cancelled(t, ids[user])
	s.Quiet(t) // the promotion may come back a moment after the order is cancelled
	buyers[late].PutInCart(t, shoptest.Staple, 1)
	second := buyers[late].Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", body).Text("id")
	require.Equal(t, "confirmed", buyers[late].Decided(t, second).Text("status"))
}

// refusals sends what the API must not take. None of it may leave a trace.
func refusals(t *testing.T, s *shoptest.Server) {
	admin, buyer := s.Admin(t), s.Customer(t)

	product := shoptest.Object{"handle": "snake-plant-e2e", "title": "Snake", "variants": []shoptest.Object{{"sku": "snake-e2e"}}}
	made := admin.Do(t, http.StatusCreated, http.MethodPost, "/products", product)
	seen := made.Header.Get("ETag")
	require.NotEmpty(t, seen)
	product["title"] = "Snake plant"
	changed := admin.With("If-Match", seen).Do(t, http.StatusOK, http.MethodPut, "/products/snake-plant-e2e", product)
	require.NotEqual(t, seen, changed.Header.Get("ETag"))
	a := admin.With("If-Match", seen).Do(t, http.StatusPreconditionFailed, http.MethodPut, "/products/snake-plant-e2e", product)
	require.NotEmpty(t, a.Text("code"), a.Raw)
	s.Anyone().Do(t, http.StatusNotFound, http.MethodGet, "/products/snake-plant-e2e", nil)
	admin.Do(t, http.StatusOK, http.MethodPost, "/products/snake-plant-e2e/publish", nil)
	s.Anyone().Get(t, "/products/snake-plant-e2e")

	bad := shoptest.OrderBody("tok_visa")
	bad["shipping_method"] = "pigeon"
	bad["shipping_address"].(shoptest.Object)["country"] = "England"
	a = buyer.Keyed().Do(t, http.StatusUnprocessableEntity, http.MethodPost, "/orders", bad)
	require.ElementsMatch(t, []string{"/shipping_method", "/shipping_address/country"}, pointers(t, a))
	a = s.Anyone().Do(t, http.StatusUnprocessableEntity, http.MethodPost, "/users", shoptest.Object{"email": "x@example.com", "password": "short", "name": "X"})
	require.Equal(t, []string{"/password"}, pointers(t, a))

	for name, body := range map[string]string{
		"unknown field": `{"quantity":1,"colour":"red"}`, "wrong type": `{"quantity":"1"}`, "trailing data": `{"quantity":1} {}`, "no JSON": `quantity=1`,
	} {
		a, err := buyer.Try(t.Context(), http.MethodPut, "/cart/items/"+shoptest.Staple, body)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusBadRequest, a.Status, "%s: %s", name, a.Raw)
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), name)
	}
	large := `{"quantity":1,"note":"` + strings.Repeat("x", 1<<20) + `"}`
	require.NotEmpty(t, buyer.Do(t, http.StatusRequestEntityTooLarge, http.MethodPut, "/cart/items/"+shoptest.Staple, large).Text("code"))
	buyer.Refused(t, http.StatusUnprocessableEntity, "cart.unknown_sku", http.MethodPut, "/cart/items/no-such-thing", shoptest.Object{"quantity": 1})
	require.Empty(t, buyer.Get(t, "/cart").At("lines"))
	require.Empty(t, buyer.Get(t, "/orders").At("items"))
}

func pointers(t *testing.T, a shoptest.Answer) []string {
	t.Helper()
	out := []string{}
	list, _ := a.At("errors").([]any)
	for _, e := range list {
		out = append(out, e.(shoptest.Object)["pointer"].(string))
	}
	require.NotEmpty(t, out, a.Raw)
	return out
}
