package walletmodule_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/walletmodule"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

// size is how much of something a test does: small in "make test", full where
// BANYAN_TEST_STORM=full says so.
func size(small, full int) int {
	if os.Getenv("BANYAN_TEST_STORM") == "full" {
		return full
	}
	return small
}

// Two withdrawals that do not both fit race for one wallet, each at an instance of
// its own, again and again: exactly one gets the money.
func TestTwoWithdrawalsRace(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		second, err := walletmodule.New(walletmodule.Deps{
			DB: b.db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD", Payments: b.payments,
		})
		require.NoError(t, err)
		ctx := wallettest.Customer(t.Context(), "ada")
		rounds := size(100, 1000)
		won := [2]int{}
		for round := range rounds {
			wallettest.MustDeposit(t, b.Service, "ada", 100)
			var race sync.WaitGroup
			errs := [2]error{}
			for n := range 2 {
				i := (n + round) % 2 // who is started first
				race.Go(func() {
					_, errs[i] = []wallet.Service{b.Service, second.Service}[i].Withdraw(wallettest.Keyed(ctx, fmt.Sprint(round, "/", i), ""), wallet.WithdrawRequest{UserID: "ada", Amount: wallettest.USD(60)})
				})
			}
			race.Wait()
			loser := 0
			if errs[0] == nil {
				loser = 1
			}
			require.NoError(t, errs[1-loser], "round %d: somebody gets it", round)
			require.ErrorIs(t, errs[loser], wallet.InsufficientFunds, "round %d", round)
			won[1-loser]++
			_, err := b.Service.Withdraw(ctx, wallet.WithdrawRequest{UserID: "ada", Amount: wallettest.USD(40)})
			require.NoError(t, err)
		}
		t.Logf("%d rounds, won %v", rounds, won)
		balance, err := b.Service.Balance(ctx, wallet.BalanceRequest{UserID: "ada"})
		require.NoError(t, err)
		require.Equal(t, wallet.Balance{Balance: wallettest.USD(0), Available: wallettest.USD(0), Version: int64(1 + 3*rounds)}, balance)
		require.Positive(t, min(won[0], won[1]), "one instance won always: they did not race")
		require.Empty(t, b.findings(t))
	})
}

// history makes n events of many wallets, 100 in each, as if they had been
// recorded long ago.
var history = map[database.Dialect]string{
	database.SQLite: `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
		INSERT INTO stream_events (stream, version, type, schema, recorded_at, data)
		SELECT 'old-' || (i / 100), 1 + i % 100, CASE WHEN i % 100 = 0 THEN 'wallet.opened' ELSE 'wallet.deposited' END, 1, '2026-01-02 03:04:05.000000+00:00',
			CASE WHEN i % 100 = 0 THEN '{"currency":"USD"}' ELSE '{"deposit_id":"d' || i || '","amount":7}' END FROM n`,
	database.Postgres: `INSERT INTO stream_events (stream, version, type, schema, recorded_at, data)
		SELECT 'old-' || (i / 100), 1 + i % 100, CASE WHEN i % 100 = 0 THEN 'wallet.opened' ELSE 'wallet.deposited' END, 1, '2026-01-02 03:04:05+00',
			CASE WHEN i % 100 = 0 THEN '{"currency":"USD"}' ELSE '{"deposit_id":"d' || i || '","amount":7}' END FROM generate_series(0, ? - 1) AS i ORDER BY i`,
}

// The balances of a long history are rebuilt while wallets are used. The memory that
// it takes does not depend on how long the history is.
func TestRebuildOfALongHistory(t *testing.T) {
	if os.Getenv("BANYAN_TEST_STORM") != "full" {
		t.Parallel() // at full size it is alone, so that the memory is its own
	}
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		n := size(10_000, 1_000_000)
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error { return b.db.Conn(ctx).Exec(history[b.db.Dialect()], n).Error }))
		wallettest.MustDeposit(t, b.Service, "ada", 1_000_000)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		began := time.Now()
		require.NoError(t, b.Projections.CaughtUp(ctx))
		first := time.Since(began)

		var peak atomic.Uint64
		var quit atomic.Bool
		var beside sync.WaitGroup
		writes := 0
		beside.Go(func() {
			for !quit.Load() {
				_, err := b.Service.Withdraw(wallettest.Customer(t.Context(), "ada"), wallet.WithdrawRequest{UserID: "ada", Amount: wallettest.USD(1)})
				if err != nil {
					t.Error(err)
					return
				}
				writes++
			}
		})
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		began = time.Now()
		_, err := b.Projections.Rebuild(ctx, "balances")
		require.NoError(t, err)
		behind := int64(0)
		var built eventstore.Status
		require.Eventually(t, func() bool {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			all, err := b.Projections.Status(ctx)
			require.NoError(t, err)
			done := false
			for _, s := range all {
				if s.Name == "statements" && s.State == eventstore.Serving {
					behind = max(behind, s.Lag)
				}
				if s.Name == "balances" && s.Generation == 2 && s.State == eventstore.Serving {
					built, done = s, true
				}
			}
			return done
		}, 10*time.Minute, 50*time.Millisecond)
		took := time.Since(began)
		quit.Store(true)
		beside.Wait()
		grown := int64(peak.Load()) - int64(before.HeapAlloc)
		t.Logf("%d events projected three times in %s; balances rebuilt in %s (%.0f events/s) under %d writes; heap %d MiB, at most %d MiB more meanwhile; statements at most %d events behind",
			n, first.Round(time.Millisecond), took.Round(time.Millisecond), float64(built.Applied)/took.Seconds(), writes, before.HeapAlloc>>20, grown>>20, behind)
		require.Positive(t, writes)
		require.Less(t, grown, int64(64<<20), "bytes")
		// No card stands behind a history that was poured in; all else must be right.
		require.Empty(t, slices.DeleteFunc(b.findings(t), func(f string) bool {
			return strings.HasPrefix(f, "wallet.money_is_conserved: wallet old-")
		}))
	})
}
