package core_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

func TestCards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for _, c := range []struct {
			token  string
			code   error
			reason string
			ledger []string
		}{
			{"tok_visa", nil, "", []string{"authorised"}},
			{"tok_slow", nil, "", []string{"authorised"}},
			{"tok_lost_reply", nil, "", []string{"authorised"}},
			{"tok_declined", payments.Declined, "card_declined", []string{"declined"}},
			{"tok_insufficient_funds", payments.Declined, "insufficient_funds", []string{"declined"}},
			{"tok_nobody_knows", payments.Declined, "invalid_token", []string{}},
			{"tok_error", payments.ProviderUnavailable, "", []string{}},
		} {
			t.Run(c.token, func(t *testing.T) {
				order := "order-" + c.token
				for range 2 { // the second finds the first
					p, err := b.Authorize(b.shop(), request(order, c.token))
					if c.code == nil {
						require.NoError(t, err)
						require.Equal(t, payments.Authorised, p.Status)
						continue
					}
					require.ErrorIs(t, err, c.code)
				}
				require.Equal(t, c.ledger, b.ledger(order))
				require.Equal(t, c.reason, b.payment(order).Reason)
			})
		}
		require.NotContains(t, b.log.String(), "tok_")
		require.Empty(t, b.findings())
	})
}

func TestFlakyCardNeedsThreeTriesOfOneKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for range 2 {
			_, err := b.Authorize(b.shop(), request("o", "tok_flaky"))
			require.ErrorIs(t, err, payments.ProviderUnavailable)
			require.True(t, fault.Retryable(err))
		}
		p, err := b.Authorize(b.shop(), request("o", "tok_flaky"))
		require.NoError(t, err)
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
		require.Equal(t, []string{"payments.authorised"}, b.events(p.ID))
	})
}

func TestLostReplyIsLookedUpNotRepeated(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		_, err := b.Authorize(b.shop(), request("o", "tok_lost_reply"))
		require.NoError(t, err)
		require.EqualValues(t, 1, b.line.posts.Load())
	})
}

func TestOrderIsPaidOnceByMany(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const many = 16
		ids := make([]string, many)
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				p, err := b.Authorize(b.shop(), request("o", "tok_visa"))
				if err == nil {
					ids[i] = p.ID
				}
			})
		}
		all.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
		}
		require.NotEmpty(t, ids[0])
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
		require.EqualValues(t, 1, b.line.posts.Load())
		require.Equal(t, []string{"payments.authorised"}, b.events(ids[0]))
	})
}

func TestAuthorizeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		other := request("o", "tok_visa")
		other.Amount = money.Of(1, "USD")
		_, err := b.Authorize(b.shop(), other)
		require.ErrorIs(t, err, payments.InvalidPayment)
		other = request("o", "tok_visa")
		other.UserID = "user-2"
		_, err = b.Authorize(b.shop(), other)
		require.ErrorIs(t, err, payments.InvalidPayment)
		for _, bad := range []payments.AuthorizeRequest{
			{}, {OrderID: "x", UserID: user, Token: "tok_visa"}, {OrderID: "x", UserID: user, Token: "tok_visa", Amount: money.Of(-1, "USD")},
			{OrderID: "x", UserID: user, Amount: money.Of(1, "USD")},
		} {
			_, err := b.Authorize(b.shop(), bad)
			require.ErrorIs(t, err, payments.InvalidPayment)
		}
		stranger := port.WithPrincipal(t.Context(), port.Principal{Subject: "user-2", Roles: []string{port.RoleCustomer}})
		_, err = b.Authorize(stranger, request("y", "tok_visa"))
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = b.ByOrder(stranger, payments.OrderRequest{OrderID: "o"})
		require.ErrorIs(t, err, payments.PaymentNotFound)
		_, err = b.Get(stranger, payments.GetRequest{PaymentID: b.payment("o").ID})
		require.ErrorIs(t, err, payments.PaymentNotFound)
	})
}

// A crash between charge and reply leaves a charge that we know nothing of.
func TestWorkerFindsChargeWhoseMakerIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.line.swallow()
		_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		require.Equal(t, payments.Pending, b.payment("o").Status)
		b.line.heal()
		b.work()
		require.Equal(t, payments.Authorised, b.payment("o").Status)
		require.EqualValues(t, 1, b.line.posts.Load())
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
		require.Empty(t, b.findings())
	})
}

// Where it is known that a maker is gone, the next one need not wait for its claim
// to run out, and still asks before anything is sent again.
func TestHeirTakesTheOperationOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		asleep, awake := make(chan struct{}), make(chan struct{})
		b.line.set(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost && b.line.posts.Load() == 1 {
				close(asleep)
				<-awake
			}
			return false
		})
		var first sync.WaitGroup
		first.Go(func() { _, _ = b.Authorize(b.shop(), request("o", "tok_visa")) })
		<-asleep
		require.NoError(t, b.Inherit(t.Context()))
		p, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.NoError(t, err)
		require.Equal(t, payments.Authorised, p.Status)
		close(awake) // the dead one's request arrives late
		first.Wait()
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
		require.Empty(t, b.findings())
	})
}

func TestRepeatAsksBeforeItSendsAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.line.swallow()
		_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.line.heal()
		p, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.NoError(t, err)
		require.Equal(t, payments.Authorised, p.Status)
		require.EqualValues(t, 1, b.line.posts.Load())
	})
}

// A caller that goes away in the middle leaves nothing behind that stops others.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, cancel := context.WithCancel(b.shop())
		b.line.set(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/charges") && r.Method == http.MethodPost {
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that nobody waits
				cancel()
				<-r.Context().Done()
				return true
			}
			return false
		})
		_, err := b.Authorize(ctx, request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.line.heal()
		b.mustAuthorize("o")
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
	})
}
