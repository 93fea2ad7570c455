package paymentstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments"
)

// DepositOf asks for 100.00 USD of a fresh user, for a deposit.
func DepositOf(token string) payments.AuthorizeRequest {
	req := Request(token)
	req.OrderID, req.DepositID = "", req.OrderID
	return req
}

func exerciseDeposit(t *testing.T, h Harness) {
	ctx := Shop(t.Context())
	for _, token := range []string{"tok_visa", "tok_lost_reply"} {
		req := DepositOf(token)
		of := payments.DepositRequest{DepositID: req.DepositID}
		_, err := h.Service.CaptureDeposit(ctx, of)
		require.ErrorIs(t, err, payments.PaymentNotFound)
		p, err := h.Service.Authorize(ctx, req)
		require.NoError(t, err)
		require.Equal(t, payments.Authorised, p.Status)
		require.Equal(t, []string{"", req.DepositID}, []string{p.OrderID, p.DepositID})
		require.Equal(t, []string{"authorised"}, h.Charges(t, req.DepositID))

		var captured payments.Payment
		for range 2 {
			captured, err = h.Service.CaptureDeposit(ctx, of)
			require.NoError(t, err)
			require.Equal(t, payments.Captured, captured.Status)
			require.Equal(t, req.Amount, captured.Captured)
			require.Equal(t, []string{"captured"}, h.Charges(t, req.DepositID))
		}
		got, err := h.Service.ByDeposit(Customer(t.Context(), req.UserID), of)
		require.NoError(t, err)
		require.Equal(t, captured, got)
		_, err = h.Service.Authorize(ctx, req)
		require.NoError(t, err)
		exerciseApart(t, h, req)

		// What became store credit is not given back to the card besides.
		_, err = h.Service.Refund(Staff(t.Context(), id.V7()), payments.RefundRequest{PaymentID: p.ID, Amount: money.Of(1, "USD")})
		require.ErrorIs(t, err, payments.NotRefundable)
		giveUpDeposit(t, h, of)
		require.Equal(t, []string{"refunded"}, h.Charges(t, req.DepositID))
	}
	for _, authorise := range []bool{true, false} {
		req := DepositOf("tok_visa")
		of := payments.DepositRequest{DepositID: req.DepositID}
		if authorise {
			_, err := h.Service.Authorize(ctx, req)
			require.NoError(t, err)
		}
		giveUpDeposit(t, h, of)
		_, err := h.Service.Authorize(ctx, req)
		require.ErrorIs(t, err, payments.AlreadyVoided)
		_, err = h.Service.CaptureDeposit(ctx, of)
		require.Error(t, err)
		require.NotContains(t, h.Charges(t, req.DepositID), "captured")
	}
	req := DepositOf("tok_declined")
	_, err := h.Service.Authorize(ctx, req)
	require.ErrorIs(t, err, payments.Declined)
	_, err = h.Service.CaptureDeposit(ctx, payments.DepositRequest{DepositID: req.DepositID})
	require.ErrorIs(t, err, payments.Declined)
	both := Request("tok_visa")
	both.DepositID = id.V7()
	_, err = h.Service.Authorize(ctx, both)
	require.ErrorIs(t, err, payments.InvalidPayment)
}

// exerciseApart requires that a deposit's payment is no order's, and no stranger's.
func exerciseApart(t *testing.T, h Harness, deposit payments.AuthorizeRequest) {
	t.Helper()
	ctx := Shop(t.Context())
	_, err := h.Service.ByOrder(ctx, payments.OrderRequest{OrderID: deposit.DepositID})
	require.ErrorIs(t, err, payments.PaymentNotFound)
	order := deposit
	order.OrderID, order.DepositID = deposit.DepositID, ""
	_, err = h.Service.Authorize(ctx, order)
	require.ErrorIs(t, err, payments.InvalidPayment)
	paid := MustAuthorize(t, h.Service)
	of := payments.DepositRequest{DepositID: paid.OrderID}
	_, err = h.Service.ByDeposit(ctx, of)
	require.ErrorIs(t, err, payments.PaymentNotFound)
	_, err = h.Service.CaptureDeposit(ctx, of)
	require.ErrorIs(t, err, payments.PaymentNotFound)
	of.DepositID = deposit.DepositID
	for _, ctx := range []context.Context{t.Context(), Customer(t.Context(), id.V7())} {
		_, err = h.Service.ByDeposit(ctx, of)
		require.ErrorIs(t, err, payments.PaymentNotFound)
		_, err = h.Service.CaptureDeposit(ctx, of)
		require.ErrorIs(t, err, payments.PaymentNotFound)
		_, err = h.Service.VoidDeposit(ctx, of)
		require.ErrorIs(t, err, fault.Forbidden)
	}
}

func giveUpDeposit(t *testing.T, h Harness, of payments.DepositRequest) {
	t.Helper()
	for range 2 {
		_, err := h.Service.VoidDeposit(Shop(t.Context()), of)
		require.NoError(t, err)
	}
	h.Settle(t)
}
