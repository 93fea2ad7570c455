package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments"
)

// A capture whose reply is lost was made: it is found, not sent again, whether
// the caller asks again or the worker looks.
func TestDepositCaptureWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for _, id := range []string{"asked again", "worked off"} {
			of := payments.DepositRequest{DepositID: id}
			_, err := b.Authorize(b.shop(), payments.AuthorizeRequest{DepositID: id, UserID: user, Amount: money.Of(10000, "USD"), Token: "tok_visa"})
			require.NoError(t, err)
			b.line.swallow()
			_, err = b.CaptureDeposit(b.shop(), of)
			require.ErrorIs(t, err, payments.ProviderUnavailable)
			b.line.heal()
			posts := b.line.posts.Load()
			if id == "worked off" {
				b.work()
			}
			p, err := b.CaptureDeposit(b.shop(), of)
			require.NoError(t, err)
			require.Equal(t, payments.Captured, p.Status)
			require.Equal(t, posts, b.line.posts.Load())
			require.Equal(t, []string{"captured"}, b.ledger(id))
		}
		require.Empty(t, b.findings())
	})
}
