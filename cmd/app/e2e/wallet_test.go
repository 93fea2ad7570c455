package e2e

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// paysByWallet goes through everything a wallet does: filled by card, held for
// an order, freed by a cancel, paid when the parcel leaves, and rewarded when it
// arrives.
func paysByWallet(t *testing.T, s *shoptest.Server) {
	admin, buyer, before := s.Admin(t), s.Customer(t), s.Stock(t, shoptest.Staple)
	poor := buyer.Buy(t, shoptest.Staple, 2, shoptest.Wallet)
	require.Equal(t, []string{"rejected", "payment.declined"}, []string{poor.Text("status"), poor.Text("reason")}, poor.Raw)
	require.Equal(t, shoptest.Purse{}, buyer.Purse(t))
	total := poor.Number(t, "totals.total.amount")

	began := time.Now().UTC().Add(-time.Second)
	deposit := buyer.Fund(t, 2*total, "tok_visa")
	require.Equal(t, []string{"captured"}, shoptest.Statuses(s.Ledger(t, admin, deposit)))
	first := buyer.Order(t, shoptest.OrderBody(shoptest.Wallet))
	require.Equal(t, []string{"confirmed", "wallet", ""}, []string{first.Text("status"), first.Text("payment_method"), first.Text("payment_id")}, first.Raw)
	require.Empty(t, s.Ledger(t, admin, first.Text("id")))
	require.Equal(t, shoptest.Purse{Balance: 2 * total, Available: total}, buyer.Purse(t))
	buyer.Keyed().Refused(t, http.StatusConflict, "wallet.insufficient_funds", http.MethodPost, "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(total + 1)})

	buyer.Cancelled(t, first.Text("id"))
	shoptest.Until(t, "the hold is freed", func() bool { return buyer.Purse(t) == shoptest.Purse{Balance: 2 * total, Available: 2 * total} })

	buyer.Emptied(t)
	second := buyer.Buy(t, shoptest.Staple, 2, shoptest.Wallet)
	require.Equal(t, "confirmed", second.Text("status"), second.Raw)
	shipment := s.Dispatched(t, admin, second.Text("id"))
	require.Equal(t, shoptest.Purse{Balance: total, Available: total}, buyer.Purse(t))
	s.Delivered(t, admin, shipment)
	buyer.Reaches(t, "/orders/"+second.Text("id"), "delivered")
	require.NotEqual(t, int64(50), total%100, "take another quantity: this test does not round")
	back := (total + 50) / 100
	shoptest.Until(t, "cashback comes", func() bool { return buyer.Purse(t) == shoptest.Purse{Balance: total + back, Available: total + back} })

	require.Zero(t, buyer.Get(t, "/wallet?at="+began.Format(time.RFC3339Nano)).Number(t, "version"))
	events := buyer.Get(t, "/wallet/events")
	var types []string
	for i := range events.At("items").([]any) {
		types = append(types, events.Text("items."+strconv.Itoa(i)+".type"))
	}
	require.Equal(t, []string{"opened", "deposited", "held", "hold_released", "held", "hold_captured", "cashback"}, types)
	at3 := buyer.Get(t, "/wallet?at="+events.Text("items.2.at"))
	require.Equal(t, []int64{3, 2 * total, total}, []int64{at3.Number(t, "version"), at3.Number(t, "balance.amount"), at3.Number(t, "available.amount")})

	// A card's order earns cashback, too, and only once.
	other := s.Customer(t)
	card := other.Buy(t, shoptest.Staple, 2, "tok_visa")
	shipment = s.Dispatched(t, admin, card.Text("id"))
	s.Delivered(t, admin, shipment)
	shoptest.Until(t, "cashback comes", func() bool { return other.Purse(t).Balance == back })
	s.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: before.OnHand - 4})
	s.Quiet(t)
	require.Equal(t, back, other.Purse(t).Balance)
}

// fillsWallets fills wallets by every card of the sandbox. The provider's
// own ledger decides what was charged.
func fillsWallets(t *testing.T, s *shoptest.Server) {
	admin := s.Admin(t)
	t.Run("cards", func(t *testing.T) {
		for _, card := range []struct {
			token  string
			status int
		}{
			{"tok_visa", http.StatusCreated}, {"tok_flaky", http.StatusCreated}, {"tok_slow", http.StatusCreated}, {"tok_lost_reply", http.StatusCreated},
			{"tok_declined", http.StatusConflict}, {"tok_insufficient_funds", http.StatusConflict}, {"tok_error", http.StatusServiceUnavailable},
		} {
			t.Run(card.token, func(t *testing.T) {
				t.Parallel()
				buyer, deposits := s.Customer(t), 0
				keyed := buyer.Keyed()
				for range 2 {
					a := keyed.Do(t, card.status, http.MethodPost, "/wallet/deposits", shoptest.DepositBody(2500, card.token))
					if card.status == http.StatusCreated {
						require.Equal(t, []string{"captured"}, shoptest.Statuses(s.Ledger(t, admin, a.Text("id"))))
						deposits = 1
					}
				}
				want := int64(2500 * deposits)
				require.Equal(t, shoptest.Purse{Balance: want, Available: want}, buyer.Purse(t))
			})
		}
	})
}

// TestOneWalletTwoInstances lets two servers take out of one wallet at once, by
// withdrawals and orders, more than there is.
func TestOneWalletTwoInstances(t *testing.T) {
	t.Parallel()
	at := shoptest.NewPostgresSite(t, "BANYAN_ADMIN_EMAIL=chief@example.com", "BANYAN_ADMIN_PASSWORD="+shoptest.Password)
	first := shoptest.Serve(t, at)
	second := shoptest.Serve(t, at.Twin(t))
	buyer := first.Customer(t)
	const taken, takers = 100, 20
	buyer.Fund(t, taken*takers/2, "tok_visa")
	var all sync.WaitGroup
	statuses := make([]int, takers)
	for i := range takers {
		all.Go(func() {
			there := buyer.At([]string{first.Shop, second.Shop}[i%2]).Keyed()
			a, err := there.Insist(t.Context(), http.MethodPost, "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(taken)})
			if err != nil && a.Text("code") != "wallet.insufficient_funds" {
				t.Error(err)
			}
			statuses[i] = a.Status
		})
	}
	all.Wait()
	made := 0
	for _, status := range statuses {
		if status == http.StatusCreated {
			made++
		}
	}
	require.Equal(t, takers/2, made)
	require.Equal(t, shoptest.Purse{}, buyer.Purse(t))
	require.EqualValues(t, 2+made, buyer.Get(t, "/wallet").Number(t, "version"))
	first.Quiet(t)
	first.Audited(t)
}
