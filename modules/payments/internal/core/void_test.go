package core_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

func (b *bundle) mustVoid(orderID string) {
	b.t.Helper()
	for range 2 {
		_, err := b.Void(b.shop(), payments.OrderRequest{OrderID: orderID})
		require.NoError(b.t, err)
	}
}

func (b *bundle) requireGivenUp(orderID string, ledger ...string) {
	b.t.Helper()
	if ledger == nil {
		ledger = []string{}
	}
	require.Equal(b.t, ledger, b.ledger(orderID))
	_, err := b.Authorize(b.shop(), request(orderID, "tok_visa"))
	require.ErrorIs(b.t, err, payments.AlreadyVoided)
	require.Equal(b.t, ledger, b.ledger(orderID))
	require.Empty(b.t, b.findings())
}

func TestVoid(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.mustAuthorize("o")
		b.mustVoid("o")
		require.Equal(t, payments.Voided, b.payment("o").Status)
		require.Equal(t, []string{"payments.authorised", "payments.voided"}, b.events(p.ID))
		b.requireGivenUp("o", "voided")
	})
}

func TestVoidBeforeAuthorize(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustVoid("o")
		_, err := b.ByOrder(b.shop(), payments.OrderRequest{OrderID: "o"})
		require.ErrorIs(t, err, payments.PaymentNotFound)
		b.requireGivenUp("o")
	})
}

func TestVoidOfDeclined(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		_, err := b.Authorize(b.shop(), request("o", "tok_declined"))
		require.ErrorIs(t, err, payments.Declined)
		b.mustVoid("o")
		b.requireGivenUp("o", "declined")
	})
}

func TestVoidWhileProviderIsDown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.line.down()
		b.mustVoid("o")
		b.line.heal()
		b.work()
		require.Equal(t, payments.Voided, b.payment("o").Status)
		b.requireGivenUp("o", "voided")
	})
}

func TestVoidWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.line.set(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				b.line.box.ServeHTTP(discard{http.Header{}}, r)
				w.WriteHeader(http.StatusBadGateway)
			}
			return r.Method == http.MethodPost
		})
		b.mustVoid("o")
		b.line.heal()
		b.work()
		require.Equal(t, payments.Voided, b.payment("o").Status)
		b.requireGivenUp("o", "voided")
	})
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// The void overtakes a charge that is being made right now.
func TestVoidDuringCharge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		arrived, goOn := make(chan struct{}), make(chan struct{})
		b.line.set(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost && r.URL.Path == "/charges" {
				close(arrived)
				<-goOn
			}
			return false
		})
		result := make(chan error, 1)
		go func() {
			_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
			result <- err
		}()
		<-arrived
		b.mustVoid("o")
		require.Equal(t, payments.Pending, b.payment("o").Status)
		close(goOn)
		require.ErrorIs(t, <-result, payments.AlreadyVoided)
		b.line.heal()
		b.work()
		require.Equal(t, payments.Voided, b.payment("o").Status)
		b.requireGivenUp("o", "voided")
	})
}

// The charge comes through after its payment was voided for want of any trace.
func TestChargeComesThroughLate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		arrive := b.line.late()
		_, err := b.Authorize(b.shop(), request("o", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.mustVoid("o")
		require.Equal(t, payments.Voided, b.payment("o").Status)
		arrive()
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
		b.clock.Advance(30 * time.Second)
		require.NoError(t, b.WorkOff(t.Context()))
		b.requireGivenUp("o", "voided")
	})
}

func TestVoidAfterCaptureRefunds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		p := b.mustCapture("o")
		b.mustVoid("o")
		b.work()
		got := b.payment("o")
		require.Equal(t, payments.Refunded, got.Status)
		require.Equal(t, got.Captured, got.Refunded)
		require.Equal(t, []string{"payments.authorised", "payments.captured", "payments.refunded"}, b.events(p.ID))
		b.requireGivenUp("o", "refunded")
	})
}

func TestCancelledOrder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("authorised")
		b.mustAuthorize("captured")
		b.mustCapture("captured")
		for _, order := range []string{"authorised", "captured", "unknown"} {
			b.cancel(order)
		}
		b.work()
		b.requireGivenUp("authorised", "voided")
		b.requireGivenUp("captured", "refunded")
		b.requireGivenUp("unknown")
	})
}

// The money was taken, but we do not know it yet, when the order is given up.
func TestVoidMeetsCaptureOnItsWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		b.dispatch("o")
		b.line.swallow()
		require.NoError(t, b.WorkOff(t.Context()))
		require.Equal(t, payments.Authorised, b.payment("o").Status)
		b.line.heal()
		b.mustVoid("o")
		b.work()
		require.Equal(t, payments.Refunded, b.payment("o").Status)
		b.requireGivenUp("o", "refunded")
	})
}

func TestVoidIsForTheOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		stranger := port.WithPrincipal(t.Context(), port.Principal{Subject: "user-2", Roles: []string{port.RoleCustomer}})
		for _, order := range []string{"o", "unknown"} {
			_, err := b.Void(stranger, payments.OrderRequest{OrderID: order})
			require.ErrorIs(t, err, fault.Forbidden)
		}
		require.Equal(t, []string{"authorised"}, b.ledger("o"))
	})
}

// A provider that does not give back what was captured of a payment that was given
// up: a person must know, until somebody gave it back.
func TestRefusedRefundOfWhatWasGivenUpIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.mustAuthorize("o")
		p := b.mustCapture("o")
		b.line.set(func(w http.ResponseWriter, r *http.Request) bool {
			refuses := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/refund")
			if refuses {
				w.WriteHeader(http.StatusConflict)
				_, _ = w.Write([]byte(`{"code":"charge_disputed","detail":"the charge is disputed"}`))
			}
			return refuses
		})
		b.mustVoid("o")
		b.work()
		require.Contains(t, b.log.String(), "level=ERROR msg=\"a payment was given up, but its money cannot be given back")
		require.Equal(t, payments.Captured, b.payment("o").Status)
		found := strings.Join(b.findings(), "\n")
		require.Contains(t, found, "payments.operations_settled: operation ")
		require.Contains(t, found, "payment "+p.ID+" was given up, but 100.00 USD stay charged: the provider refused: charge_disputed: the charge is disputed")
		b.line.heal()
		_, err := b.Refund(b.keyed("k", "f"), refundOf(p, 10000))
		require.NoError(t, err)
		require.Empty(t, b.findings())
	})
}
