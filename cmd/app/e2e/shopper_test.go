package e2e

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	password = "correct horse battery"
	staple   = "fiddle-leaf-fig--small" // of the demo catalogue
)

// customer registers somebody new and logs in.
func (s *server) customer(t *testing.T) client {
	t.Helper()
	email := strings.ToLower(rand.Text()) + "@example.com"
	s.anyone().do(t, http.StatusCreated, http.MethodPost, "/users", object{"email": email, "password": password, "name": "Ada"})
	return s.logIn(t, email, password)
}

func (s *server) logIn(t *testing.T, email, password string) client {
	t.Helper()
	a := s.anyone().do(t, http.StatusCreated, http.MethodPost, "/sessions", object{"email": email, "password": password})
	require.Equal(t, "Bearer", a.text("token_type"))
	return s.anyone().with("Authorization", "Bearer "+a.text("access_token"))
}

// admin is the demo's admin.
func (s *server) admin(t *testing.T) client {
	t.Helper()
	return s.logIn(t, "admin@banyan.example", s.demoPassword(t))
}

// putInCart sets how many of a SKU are in the cart.
func (c client) putInCart(t *testing.T, sku string, quantity int) answer {
	t.Helper()
	return c.do(t, http.StatusOK, http.MethodPut, "/cart/items/"+sku, object{"quantity": quantity})
}

// orderBody is an order paid by a card.
func orderBody(token string) object {
	return object{
		"shipping_address": object{"name": "Ada", "line1": "1 Fig Lane", "line2": "", "city": "Springfield", "postal_code": "12345", "country": "US"},
		"shipping_method":  "standard", "payment": object{"method": "card", "token": token},
	}
}

// keyed is the client with a fresh Idempotency-Key.
func (c client) keyed() client { return c.with("Idempotency-Key", rand.Text()) }

// order orders what is in the cart and waits until that is decided.
func (c client) order(t *testing.T, body object) answer {
	t.Helper()
	a, err := c.keyed().with("Prefer", "wait=10").try(t.Context(), http.MethodPost, "/orders", body)
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, a.status, a.raw)
	return c.decided(t, a.text("id"))
}

// decided waits until an order is confirmed, rejected or cancelled.
func (c client) decided(t *testing.T, order string) (a answer) {
	t.Helper()
	until(t, "order "+order+" is decided", func() bool {
		a = c.get(t, "/orders/"+order)
		return a.text("status") != "pending"
	})
	return a
}

// reaches waits until what is at path has this status.
func (c client) reaches(t *testing.T, path, status string) (a answer) {
	t.Helper()
	until(t, path+" becomes "+status, func() bool {
		a = c.get(t, path)
		return a.text("status") == status
	})
	return a
}

// buy puts a SKU into the cart and orders it.
func (c client) buy(t *testing.T, sku string, quantity int, token string) answer {
	t.Helper()
	c.putInCart(t, sku, quantity)
	return c.order(t, orderBody(token))
}

// dispatched sends a confirmed order off, as staff does, and waits until the
// payment is captured. It gives the shipment's id.
func (s *server) dispatched(t *testing.T, admin client, order string) string {
	t.Helper()
	var a answer
	until(t, "order "+order+" has a shipment", func() bool {
		a = admin.get(t, "/orders/"+order)
		return a.text("shipment_id") != ""
	})
	shipment := a.text("shipment_id")
	admin.do(t, http.StatusOK, http.MethodPost, "/shipments/"+shipment+"/dispatch", object{"carrier": "Banyan Post", "tracking_number": "BP-1"})
	admin.reaches(t, "/payments/"+a.text("payment_id"), "captured")
	return shipment
}

// stock is the level of a SKU.
type stock struct{ onHand, reserved int64 }

func (s *server) stock(t *testing.T, sku string) stock {
	t.Helper()
	a := s.anyone().get(t, "/stock/"+sku)
	level := stock{a.number(t, "on_hand"), a.number(t, "reserved")}
	require.Equal(t, level.onHand-level.reserved, a.number(t, "available"), a.raw)
	return level
}

// settles waits until the stock of a SKU is as it must be.
func (s *server) settles(t *testing.T, sku string, want stock) {
	t.Helper()
	var got stock
	deadline := time.Now().Add(patience / 2)
	until(t, "stock of "+sku, func() bool {
		got = s.stock(t, sku)
		return got == want || time.Now().After(deadline)
	})
	require.Equal(t, want, got, sku)
}

// charge is one line of the payment provider's own ledger.
type charge struct {
	ID, Reference, Status string
	Amount                struct {
		Amount   int64
		Currency string
	}
}

// ledger reads what the provider has for an order, with an admin's token.
func (s *server) ledger(t *testing.T, admin client, order string) []charge {
	t.Helper()
	a := admin.at(s.ops).get(t, "//sandbox/psp/charges?reference="+order)
	var list struct{ Items []charge }
	require.NoError(t, json.Unmarshal([]byte(a.raw), &list), a.raw)
	for _, c := range list.Items {
		require.Equal(t, order, c.Reference)
	}
	return list.Items
}

// statuses of charges, in their order.
func statuses(charges []charge) []string {
	out := []string{}
	for _, c := range charges {
		out = append(out, c.Status)
	}
	return out
}

// audited runs the audit beside the shop; it must find nothing.
func (s *server) audited(t *testing.T) {
	t.Helper()
	var report struct {
		Checks []struct {
			Rule                 string
			Examined, Violations int
		}
		Findings []any
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok(t, "audit", "--json")), &report))
	require.Empty(t, report.Findings)
	require.NotEmpty(t, report.Checks)
	examined := 0
	for _, c := range report.Checks {
		require.Zero(t, c.Violations, c.Rule)
		examined += c.Examined
	}
	require.Positive(t, examined, "an audit that looked at nothing")
}
