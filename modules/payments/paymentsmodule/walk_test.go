package paymentsmodule_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

// step is one message of a walk and its reply, as they travelled; or the goods of
// an order that left in between.
type step struct {
	Left   string            `json:"left,omitempty"` // order id
	Method string            `json:"method,omitempty"`
	Header map[string]string `json:"header,omitempty"` // without what ages: principal, deadline
	Body   json.RawMessage   `json:"body,omitempty"`
	Fault  string            `json:"fault,omitempty"`
	Reply  json.RawMessage   `json:"reply,omitempty"`
	Staff  bool              `json:"staff,omitempty"` // a member of staff asks, not the shop
}

// recording is what one version said on the wire.
type recording struct {
	Steps  []step           `json:"steps"`
	Events []event.Envelope `json:"events"`
}

// recorder is a transport that keeps what it carries.
type recorder struct {
	carry port.Transport
	mu    sync.Mutex
	steps []step
}

func (r *recorder) RoundTrip(ctx context.Context, m port.Message) (port.Message, error) {
	reply, err := r.carry.RoundTrip(ctx, m)
	if err != nil {
		return reply, err
	}
	s := step{Method: m.Method, Header: map[string]string{}, Body: m.Body, Fault: reply.Header[port.HeaderFault], Reply: reply.Body}
	for _, name := range []string{port.HeaderKind, port.HeaderVersion, port.HeaderContentType, port.HeaderScope, port.HeaderKey, port.HeaderFingerprint} {
		if m.Header[name] != "" {
			s.Header[name] = m.Header[name]
		}
	}
	s.Staff = m.Method == "payments.refund" || m.Method == "payments.get"
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, s)
	return reply, nil
}

// dispatching hands messages to a server of this process.
type dispatching struct{ server *port.Server }

func (d dispatching) RoundTrip(_ context.Context, m port.Message) (port.Message, error) {
	return d.server.Dispatch(context.Background(), m), nil
}

// walk is what orders and staff do with payments, in both outcomes. Versions N and
// N-1 can both do it. It repeats each command, which must change nothing.
func walk(t *testing.T, svc payments.Service, capture func(order string)) {
	t.Helper()
	shop := paymentstest.Shop(t.Context())
	user := id.V7()
	ask := func(token string) payments.AuthorizeRequest {
		return payments.AuthorizeRequest{OrderID: id.V7(), UserID: user, Amount: money.Of(10000, "USD"), Token: token}
	}
	good := ask("tok_visa")
	paid, err := svc.Authorize(shop, good)
	require.NoError(t, err)
	require.Equal(t, payments.Authorised, paid.Status)
	again, err := svc.Authorize(shop, good)
	require.NoError(t, err)
	require.Equal(t, paid.ID, again.ID, "a repeated command found another payment")
	read, err := svc.ByOrder(shop, payments.OrderRequest{OrderID: good.OrderID})
	require.NoError(t, err)
	require.Equal(t, paid, read)

	bad := ask("tok_declined")
	for range 2 {
		_, err = svc.Authorize(shop, bad)
		require.ErrorIs(t, err, payments.Declined)
	}
	_, err = svc.ByOrder(shop, payments.OrderRequest{OrderID: id.V7()})
	require.ErrorIs(t, err, payments.PaymentNotFound)
	none := ask("tok_visa")
	none.Amount = money.Of(-1, "USD")
	_, err = svc.Authorize(shop, none)
	require.ErrorIs(t, err, payments.InvalidPayment)

	stopped := ask("tok_visa")
	_, err = svc.Authorize(shop, stopped)
	require.NoError(t, err)
	for range 2 {
		_, err = svc.Void(shop, payments.OrderRequest{OrderID: stopped.OrderID})
		require.NoError(t, err)
	}
	_, err = svc.Authorize(shop, stopped)
	require.ErrorIs(t, err, payments.AlreadyVoided)

	capture(good.OrderID)
	staff := paymentstest.Staff(t.Context(), id.V7())
	for range 2 {
		back, err := svc.Refund(staff, payments.RefundRequest{PaymentID: paid.ID, Amount: money.Of(2500, "USD")})
		require.NoError(t, err)
		require.Equal(t, money.Of(2500, "USD"), back.Refunded)
	}
	_, err = svc.Refund(paymentstest.Staff(t.Context(), id.V7()), payments.RefundRequest{PaymentID: paid.ID, Amount: money.Of(999999, "USD")})
	require.Error(t, err)
	require.NotEqual(t, fault.KindInternal, fault.From(err).Code.Kind(), "%v", err)
	seen, err := svc.Get(paymentstest.Staff(t.Context(), id.V7()), payments.GetRequest{PaymentID: paid.ID})
	require.NoError(t, err)
	require.Equal(t, payments.Refunded, seen.Status)
}

// TestRecordVersion writes what this version says on the wire into the folder that
// BANYAN_TEST_RECORD names: done once for each release, see docs/contracts/README.md.
func TestRecordVersion(t *testing.T) {
	dir := os.Getenv("BANYAN_TEST_RECORD")
	if dir == "" {
		t.Skip("not asked to record: BANYAN_TEST_RECORD names no folder")
	}
	v := newVersion(t)
	r := &recorder{carry: dispatching{v.server}}
	walk(t, v.client(r), func(order string) {
		v.harness.Capture(t, order)
		r.steps = append(r.steps, step{Left: order})
	})
	v.harness.Settle(t)
	body, err := json.MarshalIndent(recording{r.steps, v.out.all(t, "payments.refunded")}, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "payments.wire"), append(body, '\n'), 0o644)) //nolint:gosec // a part of the repository
}
