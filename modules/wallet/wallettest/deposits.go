package wallettest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// ExerciseDeposits runs the part of the suite that needs a provider.
func ExerciseDeposits(t *testing.T, h Harness) {
	t.Helper()
	deposit := func(ctx context.Context, user string, cents int64, token string) (wallet.Deposit, error) {
		return h.Service.Deposit(ctx, wallet.DepositRequest{UserID: user, Amount: USD(cents), Token: token})
	}
	t.Run("credited", func(t *testing.T) {
		for _, token := range []string{"tok_visa", "tok_lost_reply"} {
			user := id.V7()
			key := Keyed(Customer(t.Context(), user), id.V7(), "1")
			first, err := deposit(key, user, 2500, token)
			require.NoError(t, err)
			require.NotEmpty(t, first.PaymentID)
			require.Equal(t, []string{"captured"}, h.Charges(t, first.ID))
			again, err := deposit(key, user, 2500, token)
			require.NoError(t, err)
			require.Equal(t, first, again)
			_, err = deposit(Keyed(Customer(t.Context(), user), port.IdempotencyKeyFrom(key).Key, "2"), user, 2501, token)
			require.ErrorIs(t, err, idempotency.Reused)
			h.stands(t, user, 2500, 2500)
			entries := h.all(t, user)
			require.Len(t, entries, 2)
			require.Equal(t, "deposited", entries[1].Type)
			require.Equal(t, first.ID, entries[1].Reference)
		}
	})
	t.Run("declined", func(t *testing.T) {
		for _, token := range []string{"tok_declined", "tok_insufficient_funds"} {
			user := id.V7()
			key := Keyed(Customer(t.Context(), user), id.V7(), "1")
			for range 2 {
				_, err := deposit(key, user, 2500, token)
				require.ErrorIs(t, err, wallet.CardDeclined)
			}
			require.Zero(t, h.stands(t, user, 0, 0).Version)
		}
	})
	t.Run("refused", func(t *testing.T) {
		user := id.V7()
		for _, bad := range []wallet.DepositRequest{
			{UserID: user, Amount: USD(0), Token: "tok_visa"}, {UserID: user, Amount: USD(-5), Token: "tok_visa"},
			{UserID: user, Amount: USD(wallet.MaxAmount + 1), Token: "tok_visa"}, {UserID: user, Amount: USD(5)},
			{UserID: user, Amount: money.Of(5, "EUR"), Token: "tok_visa"},
		} {
			_, err := h.Service.Deposit(Keyed(Customer(t.Context(), user), id.V7(), ""), bad)
			require.ErrorIs(t, err, wallet.InvalidRequest)
		}
		_, err := deposit(Keyed(Customer(t.Context(), id.V7()), id.V7(), ""), user, 5, "tok_visa")
		require.ErrorIs(t, err, fault.Forbidden)
		require.Zero(t, h.stands(t, user, 0, 0).Version)
	})
}
