package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// paysByCard pays with every card of the sandbox. The provider's own
// ledger decides what was charged.
func paysByCard(t *testing.T, s *shoptest.Server) {
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
	admin, before := s.Admin(t), s.Stock(t, sku)
	t.Run("cards", func(t *testing.T) {
		for _, card := range cards {
			t.Run(card.token, func(t *testing.T) {
				t.Parallel()
				buyer := s.Customer(t)
				o := buyer.Buy(t, sku, quantity, card.token)
				require.Equal(t, card.status, o.Text("status"), o.Raw)
				require.Equal(t, card.reason, o.Text("reason"), o.Raw)
				charges := s.Ledger(t, admin, o.Text("id"))
				require.Equal(t, card.charges, shoptest.Statuses(charges))
				if card.status == "confirmed" {
					require.Equal(t, o.Number(t, "totals.total.amount"), charges[0].Amount.Amount)
					require.Equal(t, o.Text("totals.total.currency"), charges[0].Amount.Currency)
					p := buyer.Get(t, "/payments/"+o.Text("payment_id"))
					require.Equal(t, "authorised", p.Text("status"))
					require.Positive(t, o.Number(t, "totals.total.amount"))
					buyer.Emptied(t)
				} else {
					require.Equal(t, int64(quantity), buyer.Get(t, "/cart").Number(t, "lines.0.quantity"), "a rejected order leaves the cart")
				}
			})
		}
	})
	s.Settles(t, sku, shoptest.Stock{OnHand: before.OnHand - 4*quantity})
}

// repeats repeats what moves money and stock.
func repeats(t *testing.T, s *shoptest.Server) {
	admin, before := s.Admin(t), s.Stock(t, shoptest.Staple)

	buyer := s.Customer(t)
	buyer.PutInCart(t, shoptest.Staple, 1)
	keyed := buyer.Keyed()
	first := keyed.Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
	if !first.Again { // else the first answer was lost
		require.Empty(t, first.Header.Get("Idempotency-Replayed"))
	}
	require.Equal(t, "/api/v1/orders/"+first.Text("id"), first.Header.Get("Location"))
	again := keyed.Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	require.Equal(t, first.Raw, again.Raw)
	require.Equal(t, first.Header.Get("Location"), again.Header.Get("Location"))
	keyed.Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, "/orders", shoptest.OrderBody("tok_slow"))
	buyer.Refused(t, http.StatusBadRequest, "idempotency_key.missing", http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
	require.Equal(t, "confirmed", buyer.Decided(t, first.Text("id")).Text("status"))

	// A key is its user's: somebody else's same key is another one.
	other := s.Customer(t).With("Idempotency-Key", keyed.Sends("Idempotency-Key"))
	theirs := other.Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
	require.NotEqual(t, first.Text("id"), theirs.Text("id"))
	require.Equal(t, "cart.empty", other.Decided(t, theirs.Text("id")).Text("reason"))

	crowd := s.Customer(t)
	crowd.PutInCart(t, shoptest.Staple, 3)
	id := atOnce(t, crowd, 20)
	require.Equal(t, "confirmed", crowd.Decided(t, id).Text("status"))
	require.Len(t, crowd.Get(t, "/orders").At("items"), 1)
	require.Equal(t, []string{"authorised"}, shoptest.Statuses(s.Ledger(t, admin, id)))
	s.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: before.OnHand - 4})
}

// atOnce sends one order with one key n times in parallel. Each answer is that
// order, or says that it is under way; at least one is the order.
func atOnce(t *testing.T, c shoptest.Client, n int) string {
	t.Helper()
	keyed := c.Keyed()
	answers := make([]shoptest.Answer, n)
	var group errgroup.Group
	for i := range answers {
		group.Go(func() (err error) {
			answers[i], err = keyed.Try(t.Context(), http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
			return err
		})
	}
	require.NoError(t, group.Wait())
	id := ""
	for _, a := range answers {
		if a.Status == http.StatusConflict {
			require.Equal(t, "idempotency_key.in_flight", a.Text("code"), a.Raw)
			continue
		}
		require.Equal(t, http.StatusAccepted, a.Status, a.Raw)
		if id == "" {
			id = a.Text("id")
		}
		require.Equal(t, id, a.Text("id"))
	}
	require.NotEmpty(t, id)
	return id
}
