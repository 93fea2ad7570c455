package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// keyed is staff's context with an idempotency key.
func (b *bundle) keyed(key, fingerprint string) context.Context {
	return port.WithIdempotencyKey(b.staff(), port.IdempotencyKey{Scope: "staff-1 refund", Key: key, Fingerprint: fingerprint})
}

func refundOf(p payments.Payment, amount int64) payments.RefundRequest {
	return payments.RefundRequest{PaymentID: p.ID, Amount: money.Of(amount, "USD")}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		_, err := b.Refund(b.staff(), refundOf(p, 1))
		require.ErrorIs(t, err, payments.NotRefundable)
		b.mustCapture("o")

		first, err := b.Refund(b.keyed("k1", "f"), refundOf(p, 3000))
		require.NoError(t, err)
		require.EqualValues(t, 3000, first.Refunded.Amount)
		_, err = b.Refund(b.keyed("k2", "f"), refundOf(p, 1000))
		require.NoError(t, err)

		ctx, replayed := port.WithReplayFlag(b.keyed("k1", "f"))
		again, err := b.Refund(ctx, refundOf(p, 3000))
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.True(t, replayed.Load())
		_, err = b.Refund(b.keyed("k1", "other"), refundOf(p, 1))
		require.ErrorIs(t, err, idempotency.Reused)

		for range 2 { // a refusal is remembered too
			_, err = b.Refund(b.keyed("k3", "f"), refundOf(p, 6001))
			require.ErrorIs(t, err, payments.NotRefundable)
			require.ErrorContains(t, err, "60.00 USD can still be given back, not 60.01 USD")
		}
		for _, bad := range []struct {
			req  payments.RefundRequest
			code error
		}{
			{refundOf(p, 0), payments.InvalidPayment},
			{refundOf(p, -5), payments.InvalidPayment},
			{payments.RefundRequest{PaymentID: p.ID, Amount: money.Of(1, "EUR")}, payments.InvalidPayment},
			{payments.RefundRequest{PaymentID: "nobody", Amount: money.Of(1, "USD")}, payments.PaymentNotFound},
		} {
			_, err := b.Refund(b.keyed("bad "+bad.code.Error()+bad.req.Amount.Currency, "f"), bad.req)
			require.ErrorIs(t, err, bad.code)
		}
		_, err = b.Refund(b.t.Context(), refundOf(p, 1))
		require.ErrorIs(t, err, fault.Forbidden)

		got := b.payment("o")
		require.EqualValues(t, 4000, got.Refunded.Amount)
		require.Equal(t, []string{"payments.authorised", "payments.captured", "payments.refunded", "payments.refunded"}, b.events(p.ID))
		require.Equal(t, []int64{0, 0, 3000, 4000}, b.refundedSoFar(p.ID))
		require.Empty(t, b.findings())
	})
}

func TestRefundsAtOnceNeverExceedCaptured(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.mustCapture("o")
		var mu sync.Mutex
		done, refused := 0, 0
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := b.Refund(b.staff(), refundOf(p, 3000))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case errors.Is(err, payments.NotRefundable):
					refused++
				}
			})
		}
		all.Wait()
		b.work()
		require.LessOrEqual(t, done, 3)
		require.EqualValues(t, 9000, b.payment("o").Refunded.Amount)
		require.Equal(t, 7, refused)
		require.Empty(t, b.findings())
	})
}

func TestSameRefundAtOnceIsMadeOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.mustCapture("o")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _ = b.Refund(b.keyed("k", "f"), refundOf(p, 1000)) })
		}
		all.Wait()
		b.work()
		got, err := b.Refund(b.keyed("k", "f"), refundOf(p, 1000))
		require.NoError(t, err)
		require.EqualValues(t, 1000, got.Refunded.Amount)
		require.Empty(t, b.findings())
	})
}

func TestRefundWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.mustCapture("o")
		b.line.swallow()
		_, err := b.Refund(b.keyed("k", "f"), refundOf(p, 1000))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.line.heal()
		posts := b.line.posts.Load()
		got, err := b.Refund(b.keyed("k", "f"), refundOf(p, 1000))
		require.NoError(t, err)
		require.EqualValues(t, 1000, got.Refunded.Amount)
		require.Equal(t, posts, b.line.posts.Load()) // found, not sent again
		b.work()
		require.EqualValues(t, 1000, b.payment("o").Refunded.Amount)
		require.Empty(t, b.findings())
	})
}

func TestRefundRefusedByProviderGivesThePromiseBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.mustCapture("o")
		charge, found, err := b.Provider.Find(t.Context(), "authorise:o")
		require.NoError(t, err)
		require.True(t, found)
		_, err = b.Provider.Refund(t.Context(), charge.ID, "by hand", money.Of(9000, "USD")) // at the provider's own console
		require.NoError(t, err)
		_, err = b.Refund(b.keyed("k", "f"), refundOf(p, 5000))
		require.ErrorIs(t, err, payments.NotRefundable)
		_, err = b.Refund(b.keyed("k2", "f"), refundOf(p, 1000))
		require.NoError(t, err)
		require.EqualValues(t, 1000, b.payment("o").Refunded.Amount)
		require.NotEmpty(t, b.findings()) // what was done by hand is seen
	})
}
