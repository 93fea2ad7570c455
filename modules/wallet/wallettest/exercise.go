package wallettest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Exercise runs the conformance suite against an implementation. It uses wallets
// of its own, so others may use the service at the same time.
func Exercise(t *testing.T, h Harness) {
	t.Helper()
	t.Run("nothing yet", func(t *testing.T) { exerciseNothing(t, h) })
	t.Run("withdraw", func(t *testing.T) { exerciseWithdraw(t, h) })
	t.Run("stream", func(t *testing.T) { exerciseStream(t, h) })
	t.Run("past", func(t *testing.T) { exercisePast(t, h) })
	t.Run("whose", func(t *testing.T) { exerciseWhose(t, h) })
	t.Run("hold", func(t *testing.T) { exerciseHold(t, h) })
	t.Run("capture", func(t *testing.T) { exerciseCapture(t, h) })
	t.Run("release", func(t *testing.T) { exerciseRelease(t, h) })
	t.Run("release comes first", func(t *testing.T) { exerciseReleaseFirst(t, h) })
	t.Run("cashback", func(t *testing.T) { exerciseCashback(t, h) })
	t.Run("race", func(t *testing.T) { exerciseRace(t, h) })
}

func exerciseNothing(t *testing.T, h Harness) {
	user := id.V7()
	require.Zero(t, h.stands(t, user, 0, 0).Version)
	list, err := h.Service.Events(Customer(t.Context(), user), wallet.EventsRequest{UserID: user, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, wallet.EventList{Items: []wallet.Entry{}}, list)
	_, err = h.Service.Withdraw(Customer(t.Context(), user), wallet.WithdrawRequest{UserID: user, Amount: USD(1)})
	require.ErrorIs(t, err, wallet.InsufficientFunds)
}

func exerciseWithdraw(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	withdraw := func(ctx context.Context, amount money.Money) (wallet.Withdrawal, error) {
		return h.Service.Withdraw(ctx, wallet.WithdrawRequest{UserID: user, Amount: amount})
	}
	key := Keyed(Customer(t.Context(), user), id.V7(), "400")
	first, err := withdraw(key, USD(400))
	require.NoError(t, err)
	require.Equal(t, USD(400), first.Amount)
	require.Equal(t, h.stands(t, user, 600, 600), first.Wallet)
	again, err := withdraw(key, USD(400))
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, err = withdraw(Keyed(Customer(t.Context(), user), "", ""), USD(601))
	require.ErrorIs(t, err, wallet.InsufficientFunds)
	for _, bad := range []money.Money{USD(0), USD(-1), USD(wallet.MaxAmount + 1), money.Of(100, "EUR"), {Amount: 100}} {
		_, err = withdraw(Customer(t.Context(), user), bad)
		require.ErrorIs(t, err, wallet.InvalidRequest, "%v", bad)
	}
	MustHold(t, h.Service, user, 500)
	_, err = withdraw(Customer(t.Context(), user), USD(101))
	require.ErrorIs(t, err, wallet.InsufficientFunds)
	_, err = withdraw(Customer(t.Context(), user), USD(100))
	require.NoError(t, err)
	h.stands(t, user, 500, 0)
}

// all reads a stream to its end, in pages of two.
func (h Harness) all(t *testing.T, userID string) []wallet.Entry {
	t.Helper()
	var entries []wallet.Entry
	for after := int64(0); ; {
		page, err := h.Service.Events(Customer(t.Context(), userID), wallet.EventsRequest{UserID: userID, Limit: 2, After: after})
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Items), 2)
		entries = append(entries, page.Items...)
		if after = page.Next; after == 0 {
			return entries
		}
	}
}

func exerciseStream(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	order := MustHold(t, h.Service, user, 300)
	h.Dispatch(t, order)
	h.status(t, order, wallet.Captured)
	_, err := h.Service.Withdraw(Customer(t.Context(), user), wallet.WithdrawRequest{UserID: user, Amount: USD(200)})
	require.NoError(t, err)

	entries := h.all(t, user)
	var told []string
	for i, e := range entries {
		require.EqualValues(t, i+1, e.Version)
		require.False(t, e.At.IsZero())
		if i > 0 {
			require.False(t, e.At.Before(entries[i-1].At))
		}
		if i != 1 { // how it was funded
			told = append(told, fmt.Sprintf("%s %d %d %d", e.Type, e.Amount.Amount, e.Balance.Amount, e.Available.Amount))
		}
	}
	require.Equal(t, []string{"opened 0 0 0", "held 300 1000 700", "hold_captured 300 700 700", "withdrawn 200 500 500"}, told)
	require.Equal(t, []string{order, order}, []string{entries[2].Reference, entries[3].Reference})
	require.EqualValues(t, len(entries), h.stands(t, user, 500, 500).Version)
	for _, limit := range []int{0, -1, 101} {
		_, err := h.Service.Events(Customer(t.Context(), user), wallet.EventsRequest{UserID: user, Limit: limit})
		require.ErrorIs(t, err, wallet.InvalidRequest)
	}
	_, err = h.Service.Events(Customer(t.Context(), user), wallet.EventsRequest{UserID: user, Limit: 1, After: -1})
	require.ErrorIs(t, err, wallet.InvalidRequest)
	exerciseStatement(t, h, user, entries)
}

// exerciseStatement waits until the projection has what the stream has.
func exerciseStatement(t *testing.T, h Harness, user string, entries []wallet.Entry) {
	t.Helper()
	last := entries[len(entries)-1]
	req := wallet.StatementRequest{UserID: user, From: entries[0].At, Until: last.At.Add(time.Second), Limit: 3}
	var s wallet.Statement
	require.Eventually(t, func() bool {
		var err error
		s, err = h.Service.Statement(Customer(t.Context(), user), req)
		return err == nil && s.Closing == last.Balance
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, USD(0), s.Opening)
	got := s.Items
	require.Len(t, got, 3)
	req.After = s.Next
	s, err := h.Service.Statement(Customer(t.Context(), user), req)
	require.NoError(t, err)
	require.Zero(t, s.Next)
	require.Equal(t, entries, append(got, s.Items...))
	s, err = h.Service.Statement(Customer(t.Context(), user), wallet.StatementRequest{UserID: user, From: longAgo, Until: farFuture, Limit: 100})
	require.NoError(t, err)
	require.Equal(t, wallet.Statement{Opening: USD(0), Closing: last.Balance, Items: entries, Behind: s.Behind}, s)
	for _, bad := range []func(*wallet.StatementRequest){
		func(r *wallet.StatementRequest) { r.Limit = 0 },
		func(r *wallet.StatementRequest) { r.Limit = 101 },
		func(r *wallet.StatementRequest) { r.Until = r.From.Add(-time.Second) },
		func(r *wallet.StatementRequest) { r.After = -1 },
	} {
		wrong := req
		bad(&wrong)
		_, err := h.Service.Statement(Customer(t.Context(), user), wrong)
		require.ErrorIs(t, err, wallet.InvalidRequest)
	}
}

// exercisePast asks for each instant at which something happened, and just before.
func exercisePast(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	h.Dispatch(t, MustHold(t, h.Service, user, 300))
	MustHold(t, h.Service, user, 100)
	entries := h.all(t, user)
	at := func(instant time.Time) wallet.Balance {
		b, err := h.Service.Balance(Customer(t.Context(), user), wallet.BalanceRequest{UserID: user, At: instant})
		require.NoError(t, err)
		return b
	}
	require.Equal(t, wallet.Balance{Balance: USD(0), Available: USD(0)}, at(entries[0].At.Add(-time.Microsecond)))
	for i, e := range entries {
		if i+1 < len(entries) && !entries[i+1].At.After(e.At) {
			continue // the next came at the same instant
		}
		require.Equal(t, wallet.Balance{Balance: e.Balance, Available: e.Available, Version: e.Version}, at(e.At))
	}
	require.Equal(t, h.stands(t, user, 700, 600), at(entries[len(entries)-1].At.Add(time.Hour)))
	require.Equal(t, h.stands(t, user, 700, 600), at(farFuture))
	require.Equal(t, wallet.Balance{Balance: USD(0), Available: USD(0)}, at(longAgo))
}

// Instants that people type and databases do not keep: in UTC one is in the year
// 10000, and PostgreSQL knows no year 0.
var (
	farFuture = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -5*60*60))
	longAgo   = time.Date(0, 6, 1, 0, 0, 0, 0, time.UTC)
)

func exerciseWhose(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	order := MustHold(t, h.Service, user, 100)
	stranger := Customer(t.Context(), id.V7())
	for _, ctx := range []context.Context{stranger, t.Context()} {
		for name, call := range map[string]func() error{
			"balance": func() error { _, err := h.Service.Balance(ctx, wallet.BalanceRequest{UserID: user}); return err },
			"events": func() error {
				_, err := h.Service.Events(ctx, wallet.EventsRequest{UserID: user, Limit: 1})
				return err
			},
			"statement": func() error {
				_, err := h.Service.Statement(ctx, wallet.StatementRequest{UserID: user, Limit: 1})
				return err
			},
			"withdraw": func() error {
				_, err := h.Service.Withdraw(ctx, wallet.WithdrawRequest{UserID: user, Amount: USD(1)})
				return err
			},
			"hold": func() error {
				_, err := h.Service.Hold(ctx, wallet.HoldRequest{OrderID: id.V7(), UserID: user, Amount: USD(1)})
				return err
			},
			"release": func() error {
				_, err := h.Service.Release(ctx, wallet.ReleaseRequest{OrderID: order, UserID: user})
				return err
			},
		} {
			require.ErrorIs(t, call(), fault.Forbidden, name)
		}
		_, err := h.Service.ByOrder(ctx, wallet.OrderRequest{OrderID: order})
		require.ErrorIs(t, err, wallet.HoldNotFound)
	}
	// Nor does one's own id free somebody else's money.
	own := id.V7()
	_, err := h.Service.Release(Customer(t.Context(), own), wallet.ReleaseRequest{OrderID: order, UserID: own})
	require.ErrorIs(t, err, fault.Forbidden)
	h.stands(t, user, 1000, 900)
	for _, ctx := range []context.Context{Staff(t.Context()), Shop(t.Context())} {
		b, err := h.Service.Balance(ctx, wallet.BalanceRequest{UserID: user})
		require.NoError(t, err)
		require.Equal(t, USD(1000), b.Balance)
	}
	_, err = h.Service.ByOrder(Customer(t.Context(), user), wallet.OrderRequest{OrderID: order})
	require.NoError(t, err)
}

// exerciseRace lets two withdrawals meet that do not both fit.
func exerciseRace(t *testing.T, h Harness) {
	const movers = 8
	user := h.funded(t, 100*movers/2)
	var race sync.WaitGroup
	errs := make([]error, movers)
	for i := range movers {
		race.Go(func() {
			_, errs[i] = h.Service.Withdraw(Keyed(Customer(t.Context(), user), id.V7(), ""), wallet.WithdrawRequest{UserID: user, Amount: USD(100)})
		})
	}
	race.Wait()
	ok := 0
	for _, err := range errs {
		if err == nil {
			ok++
		} else {
			require.ErrorIs(t, err, wallet.InsufficientFunds)
		}
	}
	require.Equal(t, movers/2, ok)
	h.stands(t, user, 0, 0)
}
