package walletmodule_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/walletmodule"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

// Cents do not become yen because somebody changed the setting: a wallet that was
// opened in another currency is neither read nor changed, and the audit names it.
func TestWalletKeepsItsCurrency(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		wallettest.MustDeposit(t, b.Service, "ada", 5000)
		require.Empty(t, b.findings(t))

		yen, err := walletmodule.New(walletmodule.Deps{
			DB: b.db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "JPY", Payments: paymentstest.NewFake(),
		})
		require.NoError(t, err)
		ctx := wallettest.Shop(t.Context())
		require.ErrorContains(t, yen.Fits(ctx), "currency back to USD", "a shop that starts is told at once")
		const says = "the wallet is kept in USD and the shop sells in JPY: set currency back to USD"
		ask := func(user string) []error {
			_, balance := yen.Service.Balance(ctx, wallet.BalanceRequest{UserID: user})
			_, past := yen.Service.Balance(ctx, wallet.BalanceRequest{UserID: user, At: time.Now()})
			_, events := yen.Service.Events(ctx, wallet.EventsRequest{UserID: user, Limit: 10})
			_, statement := yen.Service.Statement(ctx, wallet.StatementRequest{UserID: user, Until: time.Now(), Limit: 10})
			return []error{balance, past, events, statement}
		}
		for _, err := range ask("ada") {
			require.ErrorContains(t, err, says)
		}
		for _, err := range ask("grace") { // who has none yet
			require.NoError(t, err)
		}
		_, err = yen.Service.Withdraw(wallettest.Keyed(wallettest.Customer(t.Context(), "ada"), "w", "1"),
			wallet.WithdrawRequest{UserID: "ada", Amount: money.Of(1, "JPY")})
		require.ErrorContains(t, err, says)
		_, err = yen.Service.Hold(ctx, wallet.HoldRequest{OrderID: "o", UserID: "ada", Amount: money.Of(1, "JPY")})
		require.ErrorContains(t, err, says)
		var found []string
		require.Equal(t, "wallet.fold_is_balance", yen.Checks[0].Rule)
		_, err = yen.Checks[0].Run(t.Context(), func(subject, detail string) { found = append(found, subject+": "+detail) })
		require.NoError(t, err)
		require.Equal(t, []string{"wallet ada: " + says}, found)

		kept, err := b.Service.Balance(ctx, wallet.BalanceRequest{UserID: "ada"})
		require.NoError(t, err)
		require.Equal(t, wallettest.USD(5000), kept.Balance)
		require.Empty(t, b.findings(t))
	})
}
