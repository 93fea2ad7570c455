// Package wallettest holds what tests of wallets and of their neighbours need: the
// conformance suite of the contract, and a Fake that passes it.
package wallettest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Harness is an implementation under test, with what the contract cannot reach.
// Its functions return when wallets have heard the news.
type Harness struct {
	Service wallet.Service
	// Dispatch makes an order's goods leave.
	Dispatch func(t *testing.T, orderID string)
	// Cancel cancels an order.
	Cancel func(t *testing.T, orderID, userID string)
	// Deliver hands an order's parcel over.
	Deliver func(t *testing.T, orderID, userID string, total money.Money)
	// Charges gives the statuses of a deposit's charges at the provider, but for declined ones.
	Charges func(t *testing.T, depositID string) []string
	// Fund puts money into a wallet; nil: by a deposit.
	Fund func(t *testing.T, userID string, amount money.Money)
}

// USD is an amount in cents.
func USD(cents int64) money.Money { return money.Of(cents, "USD") }

// Shop is the context of the shop's own work.
func Shop(ctx context.Context) context.Context { return port.WithPrincipal(ctx, port.System("orders")) }

// Staff is the context of a member of staff.
func Staff(ctx context.Context) context.Context {
	return port.WithPrincipal(ctx, port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}})
}

// Customer is the context of a user.
func Customer(ctx context.Context, userID string) context.Context {
	return port.WithPrincipal(ctx, port.Principal{Subject: userID, Roles: []string{port.RoleCustomer}})
}

// Keyed is ctx with an idempotency key, for a body that is known by its fingerprint.
func Keyed(ctx context.Context, key, fingerprint string) context.Context {
	return port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: "test", Key: key, Fingerprint: fingerprint})
}

// MustDeposit charges a good card.
func MustDeposit(t *testing.T, svc wallet.Service, userID string, cents int64) wallet.Deposit {
	t.Helper()
	d, err := svc.Deposit(Keyed(Customer(t.Context(), userID), id.V7(), ""), wallet.DepositRequest{UserID: userID, Amount: USD(cents), Token: "tok_visa"})
	require.NoError(t, err)
	return d
}

// MustHold sets money aside for a new order and gives its id.
func MustHold(t *testing.T, svc wallet.Service, userID string, cents int64) string {
	t.Helper()
	order := id.V7()
	h, err := svc.Hold(Shop(t.Context()), wallet.HoldRequest{OrderID: order, UserID: userID, Amount: USD(cents)})
	require.NoError(t, err)
	require.Equal(t, wallet.Held, h.Status)
	return order
}

// funded gives a new user with money in the wallet.
func (h Harness) funded(t *testing.T, cents int64) string {
	t.Helper()
	user := id.V7()
	if h.Fund != nil {
		h.Fund(t, user, USD(cents))
	} else {
		MustDeposit(t, h.Service, user, cents)
	}
	return user
}

// stands requires what a wallet has, in cents.
func (h Harness) stands(t *testing.T, userID string, balance, available int64) wallet.Balance {
	t.Helper()
	b, err := h.Service.Balance(Customer(t.Context(), userID), wallet.BalanceRequest{UserID: userID})
	require.NoError(t, err)
	require.Equal(t, USD(balance), b.Balance)
	require.Equal(t, USD(available), b.Available)
	return b
}

// status requires where an order's hold stands.
func (h Harness) status(t *testing.T, orderID, status string) wallet.Hold {
	t.Helper()
	hold, err := h.Service.ByOrder(Shop(t.Context()), wallet.OrderRequest{OrderID: orderID})
	require.NoError(t, err)
	require.Equal(t, status, hold.Status)
	return hold
}
