package crash

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// story is what one customer does with one order, and how that must end.
type story struct {
	name, token string
	steps       []func(ctx context.Context, tr *trial, base string) error
	status      string // of the order in the end
	reason      string
	charge      string // what the provider's ledger says of the one charge; empty: none is alive; wallet: none, and the wallet paid
}

var stories = []story{
	{"paid", "tok_visa", all(place, decided), "confirmed", "", "authorised"},
	{"lost reply", "tok_lost_reply", all(place, decided), "confirmed", "", "authorised"},
	{"declined", "tok_declined", all(place, decided), "rejected", "payment.declined", ""},
	{"no funds", "tok_insufficient_funds", all(place, decided), "rejected", "payment.declined", ""},
	{"cancelled", "tok_visa", all(place, decided, cancel, voided), "cancelled", "cancel.requested", ""},
	{"shipped and given back", "tok_visa", all(place, decided, dispatch, captured, deliver, refund), "delivered", "", "refunded"},
	{"flaky", "tok_flaky", all(place, decided), "confirmed", "", "authorised"},
	{"slow", "tok_slow", all(place, decided), "confirmed", "", "authorised"},
	{"cancelled while slow", "tok_slow", all(place, cancel, decided, voided), "cancelled", "cancel.requested", ""},
	{"broken", "tok_error", all(place, decided), "rejected", "payment.unavailable", ""},
	{"wallet, shipped and rewarded", wallet, all(deposit, place, decided, dispatch, captured, deliver, rewarded), "delivered", "", wallet},
	{"wallet, cancelled", wallet, all(deposit, place, decided, cancel, freed), "cancelled", "cancel.requested", ""},
}

func all(steps ...func(context.Context, *trial, string) error) []func(context.Context, *trial, string) error {
	return steps
}

// trial is one telling of a story. Each step can be repeated, and is until it was
// answered.
type trial struct {
	story
	customer, admin shoptest.Client
	key             string
	order           string // once it is known
	payment         string
	deposits        int    // that came to nothing
	deposit         string // the one that did not
	done            int    // steps
}

func (s story) by(customer, admin shoptest.Client) *trial {
	return &trial{story: s, customer: customer, admin: admin, key: rand.Text()}
}

var errNotYet = errors.New("not yet")

// tell goes on with the story at the shop at base until it is told, or gives the
// error by which it was interrupted. What a living shop puts off is asked again.
func (tr *trial) tell(ctx context.Context, base string) error {
	for tr.done < len(tr.steps) {
		err := tr.steps[tr.done](ctx, tr, base)
		switch {
		case err == nil:
			tr.done++
		case !errors.Is(err, errNotYet):
			return fmt.Errorf("step %d of %s: %w", tr.done, tr.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// ask tries a request; an answer that says "later" is errNotYet, and so is one of
// which nobody knows what became of the request.
func ask(ctx context.Context, c shoptest.Client, method, path string, body any) (shoptest.Answer, error) {
	a, err := c.Try(ctx, method, path, body)
	switch {
	case err != nil:
		return a, err
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusGatewayTimeout, a.Status == http.StatusTooManyRequests,
		a.Text("code") == "idempotency_key.in_flight":
		return a, errNotYet
	case a.Status >= http.StatusBadRequest:
		return a, fmt.Errorf("refused: %s", a.Raw)
	}
	return a, nil
}

func place(ctx context.Context, tr *trial, base string) error {
	at := tr.customer.At(base)
	if tr.order == "" {
		if _, err := ask(ctx, at, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1}); err != nil {
			return err
		}
	}
	keyed := at.With("Idempotency-Key", tr.key)
	if tr.status != "cancelled" || tr.token != "tok_slow" {
		keyed = keyed.With("Prefer", "wait=10")
	}
	a, err := ask(ctx, keyed, http.MethodPost, "/orders", shoptest.OrderBody(tr.token))
	if err == nil {
		tr.order = a.Text("id")
	}
	return err
}

func (tr *trial) show(ctx context.Context, base string) (shoptest.Answer, error) {
	return ask(ctx, tr.admin.At(base), http.MethodGet, "/orders/"+tr.order, nil)
}

func decided(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err == nil && a.Text("status") == "pending" {
		return errNotYet
	}
	tr.payment = a.Text("payment_id")
	return err
}

func cancel(ctx context.Context, tr *trial, base string) error {
	_, err := ask(ctx, tr.customer.At(base).With("Idempotency-Key", tr.key+"-cancel"), http.MethodPost, "/orders/"+tr.order+"/cancel", nil)
	return err
}

// voided waits until the provider's ledger has nothing alive.
func voided(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err != nil {
		return err // a dead shop, too: the story is interrupted
	}
	if a.Text("status") != "cancelled" {
		return errNotYet
	}
	if tr.payment = a.Text("payment_id"); tr.payment == "" {
		return nil
	}
	a, err = ask(ctx, tr.customer.At(base), http.MethodGet, "/payments/"+tr.payment, nil)
	if err == nil && a.Text("status") != "voided" {
		return errNotYet
	}
	return err
}

func dispatch(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err != nil {
		return err
	}
	shipment := a.Text("shipment_id")
	if shipment == "" {
		return errNotYet
	}
	_, err = ask(ctx, tr.admin.At(base), http.MethodPost, "/shipments/"+shipment+"/dispatch", shoptest.Object{"carrier": "Banyan Post", "tracking_number": "BP-1"})
	return err
}

// captured waits for the money, and for the order to tell of it.
func captured(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err == nil && a.Text("status") != "shipped" {
		return errNotYet
	}
	return err
}

func deliver(ctx context.Context, tr *trial, base string) error {
	a, err := tr.show(ctx, base)
	if err != nil {
		return err
	}
	if _, err = ask(ctx, tr.admin.At(base), http.MethodPost, "/shipments/"+a.Text("shipment_id")+"/deliver", nil); err != nil {
		return err
	}
	if a.Text("status") != "delivered" {
		return errNotYet
	}
	return nil
}

// part of the order is given back, in cents.
const part = 100

func refund(ctx context.Context, tr *trial, base string) error {
	_, err := ask(ctx, tr.admin.At(base).With("Idempotency-Key", tr.key+"-refund"), http.MethodPost,
		"/payments/"+tr.payment+"/refunds", shoptest.Object{"amount": shoptest.Object{"amount": part, "currency": "USD"}})
	return err
}

// judge compares how a told story ended with how it must, by the answers of the
// shop and the provider's ledger. It gives how many pieces were sold.
func (tr *trial) judge(t *testing.T, s *shoptest.Server) int64 {
	t.Helper()
	require.Equal(t, len(tr.steps), tr.done, tr.name)
	o := tr.customer.At(s.Shop).Get(t, "/orders/"+tr.order)
	require.Equal(t, tr.status, o.Text("status"), "%s: %s", tr.name, o.Raw)
	if tr.reason != "" {
		require.Equal(t, tr.reason, o.Text("reason"), "%s: %s", tr.name, o.Raw)
	}
	alive, made := []string{}, 0
	for _, c := range s.Ledger(t, tr.admin, tr.order) {
		if c.Made() {
			made++
		}
		if c.Status == "voided" || !c.Made() {
			continue
		}
		alive = append(alive, c.Status)
		full := tr.admin.At(s.Ops).Get(t, "//sandbox/psp/charges/"+c.ID)
		total := o.Number(t, "totals.total.amount")
		require.Equal(t, total, c.Amount.Amount)
		if tr.charge == "refunded" {
			require.Equal(t, []int64{total, part}, []int64{full.Number(t, "captured"), full.Number(t, "refunded")}, full.Raw)
			require.Equal(t, []string{
				"placed", "paid and in stock", "handed to Banyan Post, tracking number BP-1", "on its way", "delivered", "refunded 1.00 USD",
			}, past(o), "each event has its effect once, and in order")
		}
	}
	most := 1
	if tr.token == wallet {
		most = 0
	}
	require.LessOrEqual(t, made, most, "%s: charges of order %s, given back or not", tr.name, tr.order)
	if tr.deposit != "" {
		tr.judgePurse(t, s, o.Number(t, "totals.total.amount"))
	}
	if tr.charge == "" || tr.charge == wallet {
		require.Empty(t, alive, "%s: order %s", tr.name, tr.order)
		if tr.charge == "" {
			return 0
		}
		return o.Number(t, "lines.0.quantity")
	}
	require.Equal(t, []string{tr.charge}, alive, "%s: order %s", tr.name, tr.order)
	return o.Number(t, "lines.0.quantity")
}

// past is what the order's history tells.
func past(o shoptest.Answer) []string {
	out := []string{}
	for i := 0; ; i++ {
		detail := o.Text(fmt.Sprintf("history.%d.detail", i))
		if detail == "" {
			return out
		}
		out = append(out, detail)
	}
}
