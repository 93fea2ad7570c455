package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestCheckoutTokens pays with every card of the sandbox. The provider's own
// ledger decides what was charged.
func TestCheckoutTokens(t *testing.T) {
	t.Parallel()
	const sku, quantity = "fiddle-leaf-fig--large", 2
	cards := []struct {
		token, status, reason string
		charges               []string
	}{
		{"tok_visa", "confirmed", "", []string{"authorised"}},
		{"tok_flaky", "confirmed", "", []string{"authorised"}},
		{"tok_slow", "confirmed", "", []string{"authorised"}},
		{"tok_lost_reply", "confirmed", "", []string{"authorised"}},
		{"tok_declined", "rejected", "payment.declined", []string{"declined"}},
		{"tok_insufficient_funds", "rejected", "payment.declined", []string{"declined"}},
		{"tok_error", "rejected", "payment.unavailable", []string{}},
	}
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		admin, before := s.admin(t), s.stock(t, sku)
		t.Run("cards", func(t *testing.T) {
			for _, card := range cards {
				t.Run(card.token, func(t *testing.T) {
					t.Parallel()
					buyer := s.customer(t)
					o := buyer.buy(t, sku, quantity, card.token)
					require.Equal(t, card.status, o.text("status"), o.raw)
					require.Equal(t, card.reason, o.text("reason"), o.raw)
					charges := s.ledger(t, admin, o.text("id"))
					require.Equal(t, card.charges, statuses(charges))
					if card.status == "confirmed" {
						require.Equal(t, o.number(t, "totals.total.amount"), charges[0].Amount.Amount)
						require.Equal(t, o.text("totals.total.currency"), charges[0].Amount.Currency)
						p := buyer.get(t, "/payments/"+o.text("payment_id"))
						require.Equal(t, "authorised", p.text("status"))
						require.Positive(t, o.number(t, "totals.total.amount"))
						buyer.emptied(t)
					} else {
						require.Equal(t, int64(quantity), buyer.get(t, "/cart").number(t, "lines.0.quantity"), "a rejected order leaves the cart")
					}
				})
			}
		})
		s.settles(t, sku, stock{onHand: before.onHand - 4*quantity})
		s.audited(t)
	})
}

// emptied waits until the cart is empty: that happens after the confirmation.
func (c client) emptied(t *testing.T) {
	t.Helper()
	until(t, "the cart is empty", func() bool { return c.get(t, "/cart").at("lines.0") == nil })
}

// TestIdempotency repeats what moves money and stock.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		admin, before := s.admin(t), s.stock(t, staple)

		buyer := s.customer(t)
		buyer.putInCart(t, staple, 1)
		keyed := buyer.keyed()
		first := keyed.do(t, http.StatusAccepted, http.MethodPost, "/orders", orderBody("tok_visa"))
		require.Empty(t, first.header.Get("Idempotency-Replayed"))
		require.Equal(t, "/api/v1/orders/"+first.text("id"), first.header.Get("Location"))
		again := keyed.do(t, http.StatusAccepted, http.MethodPost, "/orders", orderBody("tok_visa"))
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
		require.Equal(t, first.raw, again.raw)
		require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
		keyed.refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, "/orders", orderBody("tok_slow"))
		buyer.refused(t, http.StatusBadRequest, "idempotency_key.missing", http.MethodPost, "/orders", orderBody("tok_visa"))
		require.Equal(t, "confirmed", buyer.decided(t, first.text("id")).text("status"))

		// A key is its user's: somebody else's same key is another one.
		other := s.customer(t).with("Idempotency-Key", keyed.headers["Idempotency-Key"])
		theirs := other.do(t, http.StatusAccepted, http.MethodPost, "/orders", orderBody("tok_visa"))
		require.NotEqual(t, first.text("id"), theirs.text("id"))
		require.Equal(t, "cart.empty", other.decided(t, theirs.text("id")).text("reason"))

		crowd := s.customer(t)
		crowd.putInCart(t, staple, 3)
		id := crowd.atOnce(t, 20)
		require.Equal(t, "confirmed", crowd.decided(t, id).text("status"))
		require.Len(t, crowd.get(t, "/orders").at("items"), 1)
		require.Equal(t, []string{"authorised"}, statuses(s.ledger(t, admin, id)))
		s.settles(t, staple, stock{onHand: before.onHand - 4})
		s.audited(t)
	})
}

// atOnce sends one order with one key n times in parallel. Each answer is that
// order, or says that it is under way; at least one is the order.
func (c client) atOnce(t *testing.T, n int) string {
	t.Helper()
	keyed := c.keyed()
	answers := make([]answer, n)
	var group errgroup.Group
	for i := range answers {
		group.Go(func() (err error) {
			answers[i], err = keyed.try(t.Context(), http.MethodPost, "/orders", orderBody("tok_visa"))
			return err
		})
	}
	require.NoError(t, group.Wait())
	id := ""
	for _, a := range answers {
		if a.status == http.StatusConflict {
			require.Equal(t, "idempotency_key.in_flight", a.text("code"), a.raw)
			continue
		}
		require.Equal(t, http.StatusAccepted, a.status, a.raw)
		if id == "" {
			id = a.text("id")
		}
		require.Equal(t, id, a.text("id"))
	}
	require.NotEmpty(t, id)
	return id
}
