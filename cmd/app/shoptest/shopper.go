package shoptest

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What tests buy with.
const (
	Password = "correct horse battery"
	Staple   = "fiddle-leaf-fig--small" // of the demo catalogue
)

// Customer registers somebody new and logs in.
func (s *Server) Customer(t *testing.T) Client {
	t.Helper()
	email := strings.ToLower(rand.Text()) + "@example.com"
	c := s.Anyone()
	a := c.patiently(t, "/users", Object{"email": email, "password": Password, "name": "Ada"})
	require.Contains(t, []int{http.StatusCreated, http.StatusConflict}, a.Status, a.Raw) // there already: of a try without answer
	return c.loggedIn(t, email, Password)
}

// LogIn is the client of a user who has just logged in.
func (s *Server) LogIn(t *testing.T, email, password string) Client {
	t.Helper()
	return s.Anyone().loggedIn(t, email, password)
}

func (c Client) loggedIn(t *testing.T, email, password string) Client {
	t.Helper()
	a := c.patiently(t, "/sessions", Object{"email": email, "password": password})
	require.Equal(t, http.StatusCreated, a.Status, a.Raw)
	require.Equal(t, "Bearer", a.Text("token_type"))
	c = c.bearing(a.Text("access_token"))
	c.session = &session{email: email, password: password, token: a.Text("access_token")}
	return c
}

// patiently posts again while the shop has too much to do: passwords are hashed a
// few at a time, and a busy machine is no failure.
func (c Client) patiently(t *testing.T, path string, body Object) (a Answer) {
	t.Helper()
	Until(t, "the shop takes a POST "+path, func() bool {
		var err error
		a, err = c.Try(t.Context(), http.MethodPost, path, body)
		require.NoError(t, err)
		return a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout && a.Status != http.StatusTooManyRequests
	})
	return a
}

// Admin is the demo's admin.
func (s *Server) Admin(t *testing.T) Client {
	t.Helper()
	return s.LogIn(t, "admin@banyan.example", s.AdminPassword(t))
}

// PutInCart sets how many of a SKU are in the cart.
func (c Client) PutInCart(t *testing.T, sku string, quantity int) Answer {
	t.Helper()
	return c.Do(t, http.StatusOK, http.MethodPut, "/cart/items/"+sku, Object{"quantity": quantity})
}

// OrderBody is an order paid by a card, or from the Wallet.
func OrderBody(token string) Object {
	payment := Object{"method": "card", "token": token}
	if token == Wallet {
		payment = Object{"method": "wallet"}
	}
	return Object{
		"shipping_address": Object{"name": "Ada", "line1": "1 Fig Lane", "line2": "", "city": "Springfield", "postal_code": "12345", "country": "US"},
		"shipping_method":  "standard", "payment": payment,
	}
}

// Keyed is the client with a fresh Idempotency-Key.
func (c Client) Keyed() Client { return c.With("Idempotency-Key", rand.Text()) }

// Taken tells whether a command was done or accepted.
func Taken(a Answer) bool {
	return a.Status == http.StatusOK || a.Status == http.StatusCreated || a.Status == http.StatusAccepted
}

// Order orders what is in the cart and waits until that is decided.
func (c Client) Order(t *testing.T, body Object) Answer {
	t.Helper()
	a := c.Keyed().With("Prefer", "wait=10").Ask(t, http.MethodPost, "/orders", body, Taken)
	require.True(t, Taken(a), a.Raw)
	return c.Decided(t, a.Text("id"))
}

// Decided waits until an order is confirmed, rejected or cancelled.
func (c Client) Decided(t *testing.T, order string) (a Answer) {
	t.Helper()
	Until(t, "order "+order+" is decided", func() bool {
		a = c.Get(t, "/orders/"+order)
		return a.Text("status") != "pending"
	})
	return a
}

// Cancelled cancels an order and waits until it is. The shop answers 202 where that
// is not decided within seconds.
func (c Client) Cancelled(t *testing.T, order string) Answer {
	t.Helper()
	a := c.Keyed().Ask(t, http.MethodPost, "/orders/"+order+"/cancel", nil, Taken)
	require.True(t, Taken(a), a.Raw)
	return c.Reaches(t, "/orders/"+order, "cancelled")
}

// Reaches waits until what is at path has this status.
func (c Client) Reaches(t *testing.T, path, status string) (a Answer) {
	t.Helper()
	Until(t, path+" becomes "+status, func() bool {
		a = c.Get(t, path)
		return a.Text("status") == status
	})
	return a
}

// Emptied waits until the cart is empty: that happens after the confirmation.
func (c Client) Emptied(t *testing.T) {
	t.Helper()
	Until(t, "the cart is empty", func() bool { return c.Get(t, "/cart").At("lines.0") == nil })
}

// Buy puts a SKU into the cart and orders it.
func (c Client) Buy(t *testing.T, sku string, quantity int, token string) Answer {
	t.Helper()
	c.PutInCart(t, sku, quantity)
	return c.Order(t, OrderBody(token))
}

// Dispatched sends a confirmed order off, as staff does, and waits until the
// payment is captured. It gives the shipment's id.
func (s *Server) Dispatched(t *testing.T, admin Client, order string) string {
	t.Helper()
	var a Answer
	Until(t, "order "+order+" has a shipment", func() bool {
		a = admin.Get(t, "/orders/"+order)
		return a.Text("shipment_id") != ""
	})
	shipment := a.Text("shipment_id")
	// A shipment leaves once, however often that is told: the key only says that it may be.
	admin.Keyed().Do(t, http.StatusOK, http.MethodPost, "/shipments/"+shipment+"/dispatch", Object{"carrier": "Banyan Post", "tracking_number": "BP-1"})
	if a.Text("payment_method") == "wallet" {
		admin.Reaches(t, "/orders/"+order, "shipped")
	} else {
		admin.Reaches(t, "/payments/"+a.Text("payment_id"), "captured")
	}
	return shipment
}

// Delivered tells that a shipment has arrived, as staff does. That is so once, however
// often it is told.
func (s *Server) Delivered(t *testing.T, admin Client, shipment string) {
	t.Helper()
	admin.Keyed().Do(t, http.StatusOK, http.MethodPost, "/shipments/"+shipment+"/deliver", nil)
}

// Stock is the level of a SKU.
type Stock struct{ OnHand, Reserved int64 }

// Stock reads the level of a SKU.
func (s *Server) Stock(t *testing.T, sku string) Stock {
	t.Helper()
	a := s.Anyone().Get(t, "/stock/"+sku)
	level := Stock{a.Number(t, "on_hand"), a.Number(t, "reserved")}
	require.Equal(t, level.OnHand-level.Reserved, a.Number(t, "available"), a.Raw)
	return level
}

// Settles waits until the stock of a SKU is as it must be.
func (s *Server) Settles(t *testing.T, sku string, want Stock) {
	t.Helper()
	var got Stock
	deadline := time.Now().Add(Patience / 2)
	Until(t, "stock of "+sku, func() bool {
		got = s.Stock(t, sku)
		return got == want || time.Now().After(deadline)
	})
	require.Equal(t, want, got, sku)
}

// Charge is one line of the payment provider's own ledger.
type Charge struct {
	ID, Reference, Status string
	Amount                struct {
		Amount   int64
		Currency string
	}
}

// Alive tells whether money is or was taken by the charge, and not given back.
func (c Charge) Alive() bool { return c.Status == "authorised" || c.Status == "captured" }

// Made tells whether the charge was ever made: the customer saw it on the card, also
// where it was given back.
func (c Charge) Made() bool { return c.Status != "declined" }

// provider is where the payment provider stands: with the shop, unless that was told of
// another one.
func (s *Server) provider() string {
	return cmp.Or(s.Setting("BANYAN_PAYMENTS_PROVIDER_URL"), s.Ops+"/sandbox/psp")
}

// Ledger reads what the provider has for an order, with an admin's token.
func (s *Server) Ledger(t *testing.T, admin Client, order string) []Charge {
	t.Helper()
	a := admin.At(s.provider()).Get(t, "//charges?reference="+order)
	var list struct{ Items []Charge }
	require.NoError(t, json.Unmarshal([]byte(a.Raw), &list), a.Raw)
	for _, c := range list.Items {
		require.Equal(t, order, c.Reference)
	}
	return list.Items
}

// Statuses of charges, in their order.
func Statuses(charges []Charge) []string {
	out := []string{}
	for _, c := range charges {
		out = append(out, c.Status)
	}
	return out
}

// Quiet waits until nothing is under way: every event was brought to all who
// listen, none waits for a person, and every saga has ended well or was undone.
func (s *Server) Quiet(t *testing.T) {
	t.Helper()
	var left string
	deadline := time.Now().Add(Patience / 2)
	Until(t, "nothing is under way", func() bool {
		left = s.UnderWay(t)
		return left == "" || time.Now().After(deadline)
	})
	require.Empty(t, left, "still under way after %s", Patience/2)
}

// UnderWay names an event or a saga that is, "" where there is none. What the metrics
// show is told without the commands, of which each is a process with a shop of its own.
func (s *Server) UnderWay(t *testing.T) string {
	t.Helper()
	metrics, err := s.scrape(t)
	if err != nil {
		return err.Error()
	}
	for _, gauge := range []string{"unsent", "pending", "parked"} {
		if n := metrics.sum(t, "banyan_events_"+gauge); n > 0 {
			return fmt.Sprintf("%.0f events are %s", n, gauge)
		}
	}
	var sagas []Object
	s.JSON(t, &sagas, "saga", "list", "--json", "--status", "running,compensating,parked")
	if len(sagas) > 0 {
		return fmt.Sprintf("%d sagas are under way or parked, such as %v", len(sagas), sagas[0])
	}
	var stats struct {
		Sources []struct {
			Module string
			Unsent int
		}
		Consumers []struct {
			Consumer        string
			Pending, Parked int
		}
	}
	s.JSON(t, &stats, "events", "status", "--json")
	require.NotEmpty(t, stats.Sources)
	require.NotEmpty(t, stats.Consumers)
	for _, of := range stats.Sources {
		if of.Unsent > 0 {
			return fmt.Sprintf("%d events of %s are unsent", of.Unsent, of.Module)
		}
	}
	for _, of := range stats.Consumers {
		if of.Pending+of.Parked > 0 {
			return fmt.Sprintf("%d events wait at %s, %d are parked", of.Pending, of.Consumer, of.Parked)
		}
	}
	return ""
}

// Audited runs the audit beside the shop, when nothing is under way; it must find
// nothing. An event that a busy machine has not brought yet is no finding: Quiet demands
// that it is brought.
func (s *Server) Audited(t *testing.T) {
	t.Helper()
	s.Quiet(t)
	var report struct {
		Checks []struct {
			Rule                 string
			Examined, Violations int
		}
		Findings []any
	}
	require.NoError(t, json.Unmarshal([]byte(s.OK(t, "audit", "--json")), &report))
	require.Empty(t, report.Findings)
	require.NotEmpty(t, report.Checks)
	examined := 0
	for _, c := range report.Checks {
		require.Zero(t, c.Violations, c.Rule)
		examined += c.Examined
	}
	require.Positive(t, examined, "an audit that looked at nothing")
}
