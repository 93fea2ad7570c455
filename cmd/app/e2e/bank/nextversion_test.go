package bank

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestNextVersionReadsOldWallets lets this version of the program fill wallets, and
// the next one go on with them. That one stores an event under another name, and
// another with other fields; what it finds it reads as its own: balances, the past,
// streams, statements, rebuilt projections, and what it adds to them.
func TestNextVersionReadsOldWallets(t *testing.T) {
	t.Parallel()
	next := shoptest.BuildPatched(t, filepath.Join("..", "..", "..", ".."), filepath.Join("testdata", "next-version.patch"))
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
		buyer := s.Customer(t)
		withdraw := func(cents int64) {
			buyer.At(s.Shop).Keyed().Do(t, http.StatusCreated, http.MethodPost, "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(cents)})
		}
		total := buyer.Buy(t, shoptest.Staple, 1, "tok_declined").Number(t, "totals.total.amount")
		buyer.Fund(t, total+1000, "tok_visa")
		withdraw(300)
		require.Equal(t, "confirmed", buyer.Buy(t, shoptest.Staple, 1, shoptest.Wallet).Text("status"))
		withdraw(200)
		s.Quiet(t)
		told := func() []string {
			here := buyer.At(s.Shop)
			events := here.Get(t, "/wallet/events")
			return []string{
				here.Get(t, "/wallet").Raw, events.Raw, here.Get(t, "/wallet?at="+events.Text("items.2.at")).Raw,
				here.Get(t, "/wallet/statement?from=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z").Raw,
			}
		}
		shoptest.Until(t, "the statement has everything", func() bool {
			return buyer.Get(t, "/wallet/statement?from=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z").Number(t, "behind") == 0
		})
		before := told()
		require.Zero(t, s.Stop(t))

		at.Binary = next
		s = shoptest.Serve(t, at)
		require.Equal(t, before, told())
		for _, name := range projections {
			s.OK(t, "projection", "rebuild", name)
		}
		require.Equal(t, before, told(), "rebuilt")
		withdraw(100)
		buyer.At(s.Shop).Fund(t, 50, "tok_visa")
		require.Equal(t, shoptest.Purse{Balance: total + 450, Available: 450}, buyer.At(s.Shop).Purse(t))
		buyer.At(s.Shop).Keyed().Refused(t, http.StatusConflict, "wallet.insufficient_funds", http.MethodPost, "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(451)})
		s.Quiet(t)
		s.Audited(t)
	})
}
