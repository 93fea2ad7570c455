package crash

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const wallet = shoptest.Wallet

// deposited fills a wallet for one order and more, in cents.
const deposited = 50_000

// deposit fills the wallet by a card whose reply gets lost. One that came to
// nothing because the provider was away is over: the next has another key.
func deposit(ctx context.Context, tr *trial, base string) error {
	key := fmt.Sprintf("%s-deposit-%d", tr.key, tr.deposits)
	a, err := ask(ctx, tr.customer.At(base).With("Idempotency-Key", key), http.MethodPost, "/wallet/deposits", shoptest.DepositBody(deposited, "tok_lost_reply"))
	if a.Text("code") == "payment.unavailable" {
		tr.deposits++
	}
	if err == nil {
		tr.deposit = a.Text("id")
	}
	return err
}

// freed waits until a cancelled order holds nothing of the wallet.
func freed(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err != nil {
		return err
	}
	w, err := ask(ctx, tr.customer.At(base), http.MethodGet, "/wallet", nil)
	if err == nil && (a.Text("status") != "cancelled" || w.At("available.amount") != w.At("balance.amount")) {
		return errNotYet
	}
	return err
}

// rewarded waits for the cashback.
func rewarded(ctx context.Context, tr *trial, base string) error {
	a, err := ask(ctx, tr.customer.At(base), http.MethodGet, "/wallet/events", nil)
	if err == nil && !strings.Contains(a.Raw, `"cashback"`) {
		return errNotYet
	}
	return err
}

// judgePurse compares the wallet with the card that filled it, once, and with what
// the order cost and brought.
func (tr *trial) judgePurse(t *testing.T, s *shoptest.Server, total int64) {
	t.Helper()
	require.Equal(t, []string{"captured"}, shoptest.Statuses(s.Ledger(t, tr.admin, tr.deposit)), tr.name)
	want := int64(deposited)
	if tr.charge == wallet {
		back := total / 100 // one hundredth, half to even
		if rest := total % 100; rest > 50 || rest == 50 && back%2 == 1 {
			back++
		}
		want += back - total
	}
	require.Equal(t, shoptest.Purse{Balance: want, Available: want}, tr.customer.At(s.Shop).Purse(t), "%s: an order of %d", tr.name, total)
}
