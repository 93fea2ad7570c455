package shoptest

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wallet stands for a card's token where store credit pays.
const Wallet = "wallet"

// deposited is what a buyer of a crowd puts into the wallet for each purchase
// from it, in cents: more than that costs.
const deposited = 50_000

// Amount is money in a request.
func Amount(cents int64) Object { return Object{"amount": cents, "currency": "USD"} }

// DepositBody charges a card.
func DepositBody(cents int64, token string) Object {
	return Object{"amount": Amount(cents), "token": token}
}

// Purse is what a wallet has, in cents.
type Purse struct{ Balance, Available int64 }

// Purse reads one's wallet.
func (c Client) Purse(t *testing.T) Purse {
	t.Helper()
	a := c.Get(t, "/wallet")
	return Purse{a.Number(t, "balance.amount"), a.Number(t, "available.amount")}
}

// Fund puts money into one's wallet by a card, and gives the deposit's id. Where the
// provider was not reached in time, it is tried anew.
func (c Client) Fund(t *testing.T, cents int64, token string) string {
	t.Helper()
	var a Answer
	Until(t, "the card is charged", func() bool {
		a = c.Keyed().Ask(t, http.MethodPost, "/wallet/deposits", DepositBody(cents, token), Taken)
		return a.Text("code") != "payment.unavailable"
	})
	require.Equal(t, http.StatusCreated, a.Status, a.Raw)
	return a.Text("id")
}

// fund makes the deposit of a purchase that is paid from the wallet. One that
// came to nothing because the provider was away is over: the next has another key.
func (w *Wish) fund(ctx context.Context, at Client) error {
	if w.Token != Wallet || w.Deposit != "" {
		return nil
	}
	key := fmt.Sprintf("%s-deposit-%d", w.Key, w.deposits)
	a, err := answered(at.With("Idempotency-Key", key).Try(ctx, http.MethodPost, "/wallet/deposits", DepositBody(deposited, "tok_lost_reply")))
	if a.Text("code") == "payment.unavailable" {
		w.deposits++
	}
	if err == nil {
		w.Deposit = a.Text("id")
	}
	return err
}

// judgePurse compares a buyer's wallet with what was deposited by the provider's
// ledger and with what the buyer's orders cost.
func (b *Buyer) judgePurse(t *testing.T, s *Server, admin Client) {
	t.Helper()
	var want Purse
	for _, w := range b.Wishes {
		if w.Deposit != "" {
			require.Equal(t, []string{"captured"}, Statuses(s.Ledger(t, admin, w.Deposit)))
			want.Balance += deposited
			want.Available += deposited - w.spent
		}
	}
	here, got := b.At(s.Shop), Purse{}
	Until(t, fmt.Sprintf("a wallet is %+v", want), func() bool { // what is cancelled is freed behind the order
		got = here.Purse(t)
		return got == want
	})
}
