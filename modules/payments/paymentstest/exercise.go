// Package paymentstest holds what tests of payments and of their neighbours need:
// the conformance suite of the contract, and a Fake that passes it.
package paymentstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// Harness is an implementation under test, with what the contract cannot reach.
type Harness struct {
	Service payments.Service
	// Capture makes an order's goods leave, and returns when the money was taken.
	Capture func(t *testing.T, orderID string)
	// Settle returns when nothing is under way any more.
	Settle func(t *testing.T)
	// Charges gives the statuses of an order's charges at the provider, but for declined ones.
	Charges func(t *testing.T, orderID string) []string
}

// Request asks for 100.00 USD of a fresh user.
func Request(token string) payments.AuthorizeRequest {
	return payments.AuthorizeRequest{OrderID: id.V7(), UserID: id.V7(), Amount: money.Of(10000, "USD"), Token: token}
}

// Shop is the context of the shop's own work.
func Shop(ctx context.Context) context.Context { return port.WithPrincipal(ctx, port.System("orders")) }

// Staff is the context of a member of staff, with an idempotency key.
func Staff(ctx context.Context, key string) context.Context {
	ctx = port.WithPrincipal(ctx, port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}})
	return port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: "test", Key: key, Fingerprint: key})
}

// Customer is the context of a user.
func Customer(ctx context.Context, userID string) context.Context {
	return port.WithPrincipal(ctx, port.Principal{Subject: userID, Roles: []string{port.RoleCustomer}})
}

// MustAuthorize authorises a good card.
func MustAuthorize(t *testing.T, svc payments.Service) payments.Payment {
	t.Helper()
	p, err := svc.Authorize(Shop(t.Context()), Request("tok_visa"))
	require.NoError(t, err)
	return p
}

// Exercise runs the conformance suite against an implementation.
func Exercise(t *testing.T, h Harness) {
	t.Helper()
	t.Run("authorize", func(t *testing.T) { exerciseAuthorize(t, h) })
	t.Run("reads", func(t *testing.T) { exerciseReads(t, h) })
	t.Run("void", func(t *testing.T) { exerciseVoid(t, h) })
	t.Run("refund", func(t *testing.T) { exerciseRefund(t, h) })
	t.Run("deposit", func(t *testing.T) { exerciseDeposit(t, h) })
	t.Run("webhook", func(t *testing.T) { exerciseWebhook(t, h) })
}

func exerciseAuthorize(t *testing.T, h Harness) {
	ctx := Shop(t.Context())
	for _, token := range []string{"tok_visa", "tok_lost_reply"} {
		req := Request(token)
		first, err := h.Service.Authorize(ctx, req)
		require.NoError(t, err)
		require.Equal(t, payments.Authorised, first.Status)
		require.Equal(t, req.Amount, first.Amount)
		require.Equal(t, money.Of(0, "USD"), first.Captured)
		again, err := h.Service.Authorize(ctx, req)
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.Equal(t, []string{"authorised"}, h.Charges(t, req.OrderID))
		req.Amount.Amount++
		_, err = h.Service.Authorize(ctx, req)
		require.ErrorIs(t, err, payments.InvalidPayment)
	}
	for _, token := range []string{"tok_declined", "tok_insufficient_funds"} {
		req := Request(token)
		for range 2 {
			_, err := h.Service.Authorize(ctx, req)
			require.ErrorIs(t, err, payments.Declined)
			require.False(t, fault.Retryable(err))
		}
		require.Empty(t, h.Charges(t, req.OrderID))
	}
	req := Request("tok_error")
	_, err := h.Service.Authorize(ctx, req)
	require.ErrorIs(t, err, payments.ProviderUnavailable)
	require.True(t, fault.Retryable(err))
	_, err = h.Service.Authorize(ctx, payments.AuthorizeRequest{})
	require.Error(t, err)
}

func exerciseReads(t *testing.T, h Harness) {
	p := MustAuthorize(t, h.Service)
	for _, ctx := range []context.Context{Shop(t.Context()), Customer(t.Context(), p.UserID), Staff(t.Context(), "")} {
		got, err := h.Service.Get(ctx, payments.GetRequest{PaymentID: p.ID})
		require.NoError(t, err)
		require.Equal(t, p, got)
		got, err = h.Service.ByOrder(ctx, payments.OrderRequest{OrderID: p.OrderID})
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	for _, ctx := range []context.Context{t.Context(), Customer(t.Context(), "somebody-else")} {
		_, err := h.Service.Get(ctx, payments.GetRequest{PaymentID: p.ID})
		require.ErrorIs(t, err, payments.PaymentNotFound)
		_, err = h.Service.ByOrder(ctx, payments.OrderRequest{OrderID: p.OrderID})
		require.ErrorIs(t, err, payments.PaymentNotFound)
	}
	_, err := h.Service.Get(Shop(t.Context()), payments.GetRequest{PaymentID: id.V7()})
	require.ErrorIs(t, err, payments.PaymentNotFound)
}

func exerciseVoid(t *testing.T, h Harness) {
	ctx := Shop(t.Context())
	void := func(orderID string) {
		for range 2 {
			_, err := h.Service.Void(ctx, payments.OrderRequest{OrderID: orderID})
			require.NoError(t, err)
		}
		h.Settle(t)
	}
	authorised, captured, none := Request("tok_visa"), Request("tok_visa"), Request("tok_visa")
	for _, req := range []payments.AuthorizeRequest{authorised, captured} {
		_, err := h.Service.Authorize(ctx, req)
		require.NoError(t, err)
	}
	h.Capture(t, captured.OrderID)
	for _, c := range []struct {
		req    payments.AuthorizeRequest
		ledger []string
	}{{authorised, []string{"voided"}}, {captured, []string{"refunded"}}, {none, nil}} {
		void(c.req.OrderID)
		_, err := h.Service.Authorize(ctx, c.req)
		require.ErrorIs(t, err, payments.AlreadyVoided)
		require.ElementsMatch(t, c.ledger, h.Charges(t, c.req.OrderID))
	}
	p, err := h.Service.ByOrder(ctx, payments.OrderRequest{OrderID: captured.OrderID})
	require.NoError(t, err)
	require.Equal(t, payments.Refunded, p.Status)
	require.Equal(t, p.Captured, p.Refunded)
}

func exerciseRefund(t *testing.T, h Harness) {
	p := MustAuthorize(t, h.Service)
	refund := func(ctx context.Context, amount int64) (payments.Payment, error) {
		return h.Service.Refund(ctx, payments.RefundRequest{PaymentID: p.ID, Amount: money.Of(amount, "USD")})
	}
	_, err := refund(Staff(t.Context(), id.V7()), 1)
	require.ErrorIs(t, err, payments.NotRefundable)
	h.Capture(t, p.OrderID)
	_, err = refund(Customer(t.Context(), p.UserID), 1)
	require.ErrorIs(t, err, fault.Forbidden)

	key := id.V7()
	first, err := refund(Staff(t.Context(), key), 4000)
	require.NoError(t, err)
	require.Equal(t, payments.Refunded, first.Status)
	require.EqualValues(t, 4000, first.Refunded.Amount)
	again, err := refund(Staff(t.Context(), key), 4000)
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, err = refund(Staff(t.Context(), id.V7()), 6001)
	require.ErrorIs(t, err, payments.NotRefundable)
	_, err = refund(Staff(t.Context(), id.V7()), 0)
	require.ErrorIs(t, err, payments.InvalidPayment)
	last, err := refund(Staff(t.Context(), id.V7()), 6000)
	require.NoError(t, err)
	require.Equal(t, last.Captured, last.Refunded)
	_, err = h.Service.Refund(Staff(t.Context(), id.V7()), payments.RefundRequest{PaymentID: id.V7(), Amount: money.Of(1, "USD")})
	require.ErrorIs(t, err, payments.PaymentNotFound)
}

func exerciseWebhook(t *testing.T, h Harness) {
	_, err := h.Service.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: "t=1,v1=00", Body: []byte(`{}`)})
	require.ErrorIs(t, err, payments.WebhookRefused)
}
