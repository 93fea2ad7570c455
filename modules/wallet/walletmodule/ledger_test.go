package walletmodule_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

// Money that comes from nowhere or gets lost between cards and wallets is found.
func TestAuditComparesWalletsWithCards(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		returned := wallettest.MustDeposit(t, b.Service, "ada", 1000)
		wallettest.MustDeposit(t, b.Service, "bob", 1000)
		lost := wallettest.MustDeposit(t, b.Service, "cid", 1000)
		wallettest.MustDeposit(t, b.Service, "dan", 1000)
		wallettest.MustDeposit(t, b.Service, "dan", 1000)
		wallettest.MustHold(t, b.Service, "bob", 300)
		require.Empty(t, b.findings(t))

		_, err := b.payments.VoidDeposit(wallettest.Shop(t.Context()), payments.DepositRequest{DepositID: returned.ID})
		require.NoError(t, err)
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			return errors.Join(
				b.db.Conn(ctx).Exec("UPDATE stream_events SET data = REPLACE(data, '1000', '2000') WHERE stream = 'bob' AND version = 2").Error,
				b.db.Conn(ctx).Exec("DELETE FROM stream_events WHERE stream = 'cid'").Error,
				b.db.Conn(ctx).Exec("DELETE FROM stream_events WHERE stream = 'dan' AND version = 3").Error,
			)
		}))
		found := strings.Join(b.findings(t), "\n")
		for _, want := range []string{
			"wallet.deposits_match_charges: deposit " + returned.ID + ": it is credited with 10.00 USD, but the card gave 0",
			"wallet.money_is_conserved: wallet bob: deposits of 1000 were credited, its events have 2000",
			"wallet.deposits_match_charges: deposit " + lost.ID + ": it is credited, but its wallet was never opened",
			"wallet.money_is_conserved: wallet dan: deposits of 2000 were credited, its events have 1000",
		} {
			require.Contains(t, found, want)
		}
	})
}

// What a failed deposit took is given back when the provider can be asked.
func TestFailedDepositMayWaitForTheProvider(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		d := wallettest.MustDeposit(t, b.Service, "ada", 1000)
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			return b.db.Conn(ctx).Exec("UPDATE deposits SET status = 'failed' WHERE id = ?", d.ID).Error
		}))
		kept := "wallet.deposits_match_charges: deposit " + d.ID + ": it is failed with 10.00 USD, but the card gave 1000"
		find := func(later time.Duration) (found bool) {
			b.late.Store(int64(later))
			for _, check := range b.Checks {
				_, err := check.Run(t.Context(), func(subject, detail string) {
					found = found || check.Rule+": "+subject+": "+detail == kept
				})
				require.NoError(t, err)
			}
			return found
		}
		require.False(t, find(payments.SettledWithin/2))
		report, err := audit.Run(t.Context(), b.Checks, func(string, int) {})
		require.NoError(t, err)
		left := map[string]int{}
		for _, r := range report.Checks {
			left[r.Rule] = r.UnderWay
		}
		require.Equal(t, 1, left["wallet.deposits_match_charges"], "it is left out")
		require.True(t, find(payments.SettledWithin+time.Minute))
	})
}
