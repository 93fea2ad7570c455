package wallettest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/wallet"
)

func exerciseHold(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	shop := Shop(t.Context())
	req := wallet.HoldRequest{OrderID: id.V7(), UserID: user, Amount: USD(700)}
	first, err := h.Service.Hold(shop, req)
	require.NoError(t, err)
	require.Equal(t, wallet.Hold{OrderID: req.OrderID, UserID: user, Status: wallet.Held, Amount: USD(700), UpdatedAt: first.UpdatedAt}, first)
	again, err := h.Service.Hold(shop, req)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, first, h.status(t, req.OrderID, wallet.Held))
	h.stands(t, user, 1000, 300)

	other := req
	other.Amount = USD(701)
	_, err = h.Service.Hold(shop, other)
	require.ErrorIs(t, err, wallet.InvalidRequest)
	other = req
	other.UserID = h.funded(t, 1000)
	_, err = h.Service.Hold(shop, other)
	require.ErrorIs(t, err, wallet.InvalidRequest)
	h.stands(t, other.UserID, 1000, 1000)
	for range 2 { // a refusal is not remembered: there may be money later
		_, err = h.Service.Hold(shop, wallet.HoldRequest{OrderID: "rich-" + user, UserID: user, Amount: USD(301)})
		require.ErrorIs(t, err, wallet.InsufficientFunds)
	}
	for _, bad := range []wallet.HoldRequest{
		{UserID: user, Amount: USD(1)}, {OrderID: id.V7(), UserID: user}, {OrderID: id.V7(), UserID: user, Amount: USD(-1)},
		{OrderID: id.V7(), UserID: user, Amount: money.Of(1, "EUR")},
	} {
		_, err = h.Service.Hold(shop, bad)
		require.ErrorIs(t, err, wallet.InvalidRequest)
	}
	_, err = h.Service.ByOrder(shop, wallet.OrderRequest{OrderID: id.V7()})
	require.ErrorIs(t, err, wallet.HoldNotFound)
	h.stands(t, user, 1000, 300)
}

func exerciseCapture(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	order := MustHold(t, h.Service, user, 700)
	for range 2 {
		h.Dispatch(t, order)
		h.status(t, order, wallet.Captured)
		h.stands(t, user, 300, 300)
	}
	hold, err := h.Service.Hold(Shop(t.Context()), wallet.HoldRequest{OrderID: order, UserID: user, Amount: USD(700)})
	require.NoError(t, err)
	require.Equal(t, wallet.Captured, hold.Status)
	h.Dispatch(t, id.V7()) // paid by other means
	h.stands(t, user, 300, 300)
}

func exerciseRelease(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	release := func(order string) {
		for range 2 {
			_, err := h.Service.Release(Shop(t.Context()), wallet.ReleaseRequest{OrderID: order, UserID: user})
			require.NoError(t, err)
		}
		_, err := h.Service.Hold(Shop(t.Context()), wallet.HoldRequest{OrderID: order, UserID: user, Amount: USD(700)})
		require.ErrorIs(t, err, wallet.HoldReleased)
	}
	order := MustHold(t, h.Service, user, 700)
	release(order)
	h.status(t, order, wallet.Released)
	h.stands(t, user, 1000, 1000)
	h.Dispatch(t, order) // too late
	h.status(t, order, wallet.Released)

	order = MustHold(t, h.Service, user, 700)
	for range 2 {
		h.Cancel(t, order, user)
		h.status(t, order, wallet.Released)
	}
	release(order)
	h.stands(t, user, 1000, 1000)

	order = MustHold(t, h.Service, user, 700)
	h.Dispatch(t, order)
	h.stands(t, user, 300, 300)
	release(order)
	h.status(t, order, wallet.Refunded)
	version := h.stands(t, user, 1000, 1000).Version
	h.Cancel(t, order, user)
	h.Dispatch(t, order)
	require.Equal(t, version, h.stands(t, user, 1000, 1000).Version)
}

func exerciseReleaseFirst(t *testing.T, h Harness) {
	user := h.funded(t, 1000)
	order := id.V7()
	for range 2 {
		_, err := h.Service.Release(Shop(t.Context()), wallet.ReleaseRequest{OrderID: order, UserID: user})
		require.NoError(t, err)
	}
	_, err := h.Service.Hold(Shop(t.Context()), wallet.HoldRequest{OrderID: order, UserID: user, Amount: USD(700)})
	require.ErrorIs(t, err, wallet.HoldReleased)
	_, err = h.Service.ByOrder(Shop(t.Context()), wallet.OrderRequest{OrderID: order})
	require.ErrorIs(t, err, wallet.HoldNotFound)
	h.Dispatch(t, order)
	h.stands(t, user, 1000, 1000)
	// The news that a card's order was cancelled is none of a wallet's business.
	other := id.V7()
	h.Cancel(t, other, user)
	_, err = h.Service.ByOrder(Shop(t.Context()), wallet.OrderRequest{OrderID: other})
	require.ErrorIs(t, err, wallet.HoldNotFound)
}

func exerciseCashback(t *testing.T, h Harness) {
	user := id.V7()
	order := id.V7()
	for range 2 {
		h.Deliver(t, order, user, USD(1250)) // 12.5 to the even neighbour
		h.stands(t, user, 12, 12)
	}
	h.Deliver(t, id.V7(), user, USD(1350)) // 13.5
	h.stands(t, user, 26, 26)
	h.Deliver(t, id.V7(), user, USD(50)) // half a cent is nothing
	h.Deliver(t, id.V7(), user, USD(0))
	h.stands(t, user, 26, 26)
	entries := h.all(t, user)
	require.Len(t, entries, 3)
	require.Equal(t, "cashback", entries[1].Type)
	require.Equal(t, order, entries[1].Reference)
}
