package core_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
	"github.com/banyan-tree/banyan/modules/shipping"
)

func TestCapture(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.dispatch("o")
		b.dispatch("o") // the event came twice
		b.line.down()
		b.work()
		require.Equal(t, payments.Authorised, b.payment("o").Status)
		b.line.heal()
		b.work()
		got := b.payment("o")
		require.Equal(t, payments.Captured, got.Status)
		require.Equal(t, got.Amount, got.Captured)
		require.Equal(t, []string{"payments.authorised", "payments.captured"}, b.events(p.ID))
		require.Equal(t, []string{"captured"}, b.ledger("o"))
		require.Empty(t, b.findings())
	})
}

func TestCaptureWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.dispatch("o")
		b.line.swallow()
		require.NoError(t, b.WorkOff(t.Context()))
		b.line.heal()
		posts := b.line.posts.Load()
		b.work()
		require.Equal(t, payments.Captured, b.payment("o").Status)
		require.Equal(t, posts, b.line.posts.Load())
		require.Empty(t, b.findings())
	})
}

// An order without payment cost nothing, or was paid from a wallet. One whose
// payment was given up before it was made must not have left.
func TestCaptureOfNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.dispatch("nobody")
		b.work()
		require.Empty(t, b.findings())
		b.mustVoid("given up")
		err := b.db.Atomic(t.Context(), func(ctx context.Context) error {
			return b.OnDispatched(ctx, event.Meta{}, shipping.ShipmentChanged{OrderID: "given up"})
		})
		require.Error(t, err)
	})
}

// Goods that left for a payment that was given up are shown to a person.
func TestRefusedCaptureIsAFinding(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.mustVoid("o")
		b.dispatch("o")
		b.work()
		findings := b.findings()
		require.Len(t, findings, 1)
		require.Contains(t, findings[0], "payments.operations_settled")
		require.Equal(t, []string{"voided"}, b.ledger("o"))
	})
}

func TestParkedOperationIsShownAndStillTried(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.dispatch("o")
		b.line.set(func(w http.ResponseWriter, _ *http.Request) bool { // 500: the breaker stays closed
			w.WriteHeader(http.StatusInternalServerError)
			return true
		})
		for range 45 {
			b.clock.Advance(20 * time.Minute)
			require.NoError(t, b.WorkOff(t.Context()))
		}
		b.line.heal()
		require.Equal(t, 1, b.ops.count("capture parked"))
		require.Contains(t, strings.Join(b.findings(), "\n"), "is parked after")
		b.clock.Advance(20 * time.Minute)
		require.NoError(t, b.WorkOff(t.Context()))
		require.Equal(t, payments.Captured, b.payment("o").Status)
		require.Empty(t, b.findings())
	})
}

// An instance that slept through its claim can put nothing back.
func TestZombieDoesNoHarm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.dispatch("o")
		claim := func() (op core.Operation) {
			require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
				ops, err := b.store.ClaimDue(ctx, b.clock.Now(), b.clock.Now().Add(time.Second), 10)
				if len(ops) == 1 {
					op = ops[0]
				}
				return err
			}))
			return op
		}
		zombie := claim()
		require.NotEmpty(t, zombie.ID)
		require.Empty(t, claim().ID) // somebody is at it
		b.clock.Advance(2 * time.Second)
		holder := claim()
		require.Equal(t, zombie.Epoch+1, holder.Epoch)
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			ok, err := b.store.Release(ctx, zombie, b.clock.Now())
			require.False(t, ok)
			return err
		}))
		b.work()
		require.Equal(t, []string{"payments.authorised", "payments.captured"}, b.events(p.ID))
	})
}

func (b *bundle) webhook(id string, c core.Charge, at time.Time) error {
	body := []byte(fmt.Sprintf(`{"id":%q,"type":"charge.%s","data":{"id":%q,"reference":%q,"amount":{"amount":%d,"currency":"USD"},"status":%q,"idempotency_key":%q}}`,
		id, c.Status, c.ID, c.Reference, c.Amount.Amount, c.Status, c.Key))
	_, err := b.TakeWebhook(b.t.Context(), payments.WebhookRequest{Signature: sandbox.Sign(secret, at, body), Body: body})
	return err
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.line.swallow()
		_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.line.heal()
		c, _, err := b.Provider.Find(t.Context(), "authorise:o")
		require.NoError(t, err)
		for range 2 { // duplicates
			require.NoError(t, b.webhook("evt-1", c, b.clock.Now()))
		}
		p := b.payment("o")
		require.Equal(t, payments.Authorised, p.Status)
		b.mustCapture("o")
		require.NoError(t, b.webhook("evt-2", c, b.clock.Now())) // late
		voided := c
		voided.Status = core.ChargeVoided
		require.NoError(t, b.webhook("evt-3", voided, b.clock.Now())) // untrue
		foreign := c
		foreign.Amount, foreign.Key = money.Of(1, "USD"), "authorise:o"
		require.NoError(t, b.webhook("evt-4", foreign, b.clock.Now()))
		b.work()
		require.Equal(t, payments.Captured, b.payment("o").Status)
		require.Equal(t, []string{"payments.authorised", "payments.captured"}, b.events(p.ID))
		require.Empty(t, b.findings())
	})
}

func TestWebhookOfLateChargeOpensTheVoidAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		arrive := b.line.late()
		_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.mustVoid("o")
		b.work() // nobody looks for it any more
		arrive()
		require.NotEmpty(t, b.findings())
		c, _, err := b.Provider.Find(t.Context(), "authorise:o")
		require.NoError(t, err)
		require.NoError(t, b.webhook("evt-1", c, b.clock.Now()))
		require.NoError(t, b.WorkOff(t.Context()))
		b.requireGivenUp("o", "voided")
	})
}

func TestAuditSeesWhatDiffers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		require.Empty(t, b.findings())
		for _, reference := range []string{"o", "nobody"} {
			_, err := b.Provider.Charge(t.Context(), core.ChargeRequest{Key: "other:" + reference, Reference: reference, Amount: money.Of(10000, "USD"), Token: "tok_visa"})
			require.NoError(t, err)
		}
		all := strings.Join(b.findings(), "\n")
		require.Contains(t, all, "the provider has 2 charges for it")
		require.Contains(t, all, "no payment belongs to its reference nobody")

		b.mustAuthorize("p")
		c, _, err := b.Provider.Find(t.Context(), "authorise:p")
		require.NoError(t, err)
		_, err = b.Provider.Void(t.Context(), c.ID, "by hand")
		require.NoError(t, err)
		require.Contains(t, strings.Join(b.findings(), "\n"), "it is authorised, its charge "+c.ID+" is voided")
	})
}

// A payment of which the provider is still to be asked something is not judged, and
// that is told.
func TestAuditLeavesOutWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		c, _, err := b.Provider.Find(t.Context(), "authorise:o")
		require.NoError(t, err)
		_, err = b.Provider.Void(t.Context(), c.ID, "by hand")
		require.NoError(t, err)
		b.dispatch("o")
		report, err := audit.Run(t.Context(), b.Checks()[:1], func(string, int) {})
		require.NoError(t, err)
		require.Empty(t, report.Findings)
		result := report.Checks[0]
		require.Equal(t, "payments.matches_provider", result.Rule)
		require.Equal(t, 1, result.UnderWay)
		require.Equal(t, 1, result.Examined, "its charge")
	})
}
