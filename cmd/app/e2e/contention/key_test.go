package contention

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// repeats is how often one key is sent at the same time.
const repeats = 50

// keyed is one request that carries a key.
type keyed struct {
	path string
	body any
}

const deposits = "/wallet/deposits"

func deposit(cents int64, card string) keyed {
	return keyed{deposits, shoptest.DepositBody(cents, card)}
}

// said is what a repeat was told in the end.
type said struct {
	shoptest.Answer
	replayed bool
	waits    int  // answers that said "not yet"
	lost     bool // one of them came instead of the answer, which was given to nobody
}

// gaveUp tells that the card of a deposit could not be charged in time: with this key
// there will be no other answer.
func gaveUp(k keyed, a shoptest.Answer) bool {
	return k.path == deposits && a.Text("code") == "payment.unavailable"
}

// ask sends the request until there is an answer other than "not yet".
func ask(ctx context.Context, c shoptest.Client, at []func() string, i int, k keyed) (said, error) {
	for s := (said{}); ; s.waits++ {
		a, err := c.At(at[(i+s.waits)%len(at)]()).Try(ctx, http.MethodPost, k.path, k.body)
		switch {
		case err == nil && (gaveUp(k, a) || a.Text("code") != "idempotency_key.in_flight" && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout):
			s.Answer, s.replayed = a, a.Header.Get("Idempotency-Replayed") == "true"
			return s, nil
		case err != nil && ctx.Err() != nil, s.waits > 5000:
			return s, fmt.Errorf("no answer after %d tries: %w", s.waits, err)
		}
		s.lost = s.lost || err != nil || a.Status == http.StatusGatewayTimeout
		sometime(ctx, 50*time.Millisecond)
	}
}

// use is a keyed request of somebody.
type use struct {
	by shoptest.Client
	keyed
}

// together sends one request under one key many times at once, spread over the instances.
func together(t *testing.T, c shoptest.Client, key string, at []func() string, k keyed) []said {
	t.Helper()
	return mixed(t, key, at, func(int) use { return use{c, k} })
}

// mixed sends requests under one key at the same time, spread over the instances; which
// of them are sent, and by whom, is told by their number.
func mixed(t *testing.T, key string, at []func() string, of func(i int) use) []said {
	t.Helper()
	answers := make([]said, repeats)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		all.Go(func() {
			<-start
			var err error
			u := of(i)
			if answers[i], err = ask(t.Context(), u.by.With("Idempotency-Key", key), at, i, u.keyed); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	return answers
}

// same demands that all got one answer, and that it was given first exactly once. On a
// machine that stood still it may have been given to nobody: then all are repeats.
func same(t *testing.T, status int, answers []said) shoptest.Answer {
	t.Helper()
	first, lost := 0, false
	for _, a := range answers {
		lost = lost || a.lost
		require.Equal(t, status, a.Status, a.Raw)
		require.JSONEq(t, answers[0].Raw, a.Raw, "two answers to one key")
		require.Equal(t, answers[0].Header.Get("Location"), a.Header.Get("Location"))
		if !a.replayed {
			first++
		}
	}
	require.LessOrEqual(t, first, 1, "how many repeats were not marked as such")
	require.True(t, first == 1 || lost, "all are marked as repeats, and no answer was lost")
	return answers[0].Answer
}

// orderCount is how many orders a customer has, of fewer than 100.
func orderCount(t *testing.T, c shoptest.Client) int {
	t.Helper()
	items, _ := c.Get(t, "/orders?limit=100").At("items").([]any)
	return len(items)
}

// TestSameKey repeats each request that takes an Idempotency-Key 50 times at
// once: there is one effect, and one answer for all.
func TestSameKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fleet) {
		s := f.all[0]
		s.SetStock(t, f.admin, shoptest.Staple, 1000)
		rounds := shoptest.Storm(1, 10)
		for i, c := range s.Customers(t, 2*rounds) {
			f.sameKey(t, c, i%2 == 0)
		}
		v := s.Verdict(t, f.admin)
		t.Logf("%d orders, %d charges", v.Orders, v.Charges)
		require.Equal(t, v.Orders, v.Charges)
		s.Audited(t)
		f.clean(t)
	})
}

func (f fleet) sameKey(t *testing.T, c shoptest.Client, waiting bool) {
	t.Helper()
	s, key, statuses := f.all[0], fresh(), []int{http.StatusAccepted}
	if waiting { // the decision may take longer than one may wait
		c, statuses = c.With("Prefer", "wait=10"), append(statuses, http.StatusCreated)
	}
	c.PutInCart(t, shoptest.Staple, 2)
	place := keyed{"/orders", shoptest.OrderBody("tok_lost_reply")}
	answers := together(t, c, key, f.here(), place)
	require.Contains(t, statuses, answers[0].Status, answers[0].Raw)
	o := same(t, answers[0].Status, answers)
	require.Equal(t, 1, orderCount(t, c))
	id := o.Text("id")
	require.Equal(t, "confirmed", c.Decided(t, id).Text("status"))
	require.Len(t, s.Ledger(t, f.admin, id), 1)

	f.otherUses(t, c, key, place, o)
	if waiting {
		f.sameCancel(t, c, key, id)
	} else {
		f.sameRefund(t, c, id)
		f.sameDeposit(t, c)
	}
}

// otherUses sends the key again with another body, by another user, and with the
// same content written in another way.
func (f fleet) otherUses(t *testing.T, c shoptest.Client, key string, place keyed, o shoptest.Answer) {
	t.Helper()
	other := shoptest.OrderBody("tok_visa")
	for i := range f.all {
		c.At(f.at(i)).With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, place.path, other)
	}
	spaced, err := json.MarshalIndent(place.body, "\n", "    ")
	require.NoError(t, err)
	again := c.With("Idempotency-Key", key).Do(t, o.Status, http.MethodPost, place.path, string(spaced))
	require.JSONEq(t, o.Raw, again.Raw)
	require.Equal(t, 1, orderCount(t, c))

	stranger := f.all[0].Customer(t)
	stranger.PutInCart(t, shoptest.Staple, 1)
	a := stranger.With("Idempotency-Key", key).Do(t, http.StatusAccepted, http.MethodPost, place.path, place.body)
	require.NotEqual(t, o.Text("id"), a.Text("id"))
	if !a.Again { // else the first answer was lost
		require.Empty(t, a.Header.Get("Idempotency-Replayed"))
	}
	require.Equal(t, "confirmed", stranger.Decided(t, a.Text("id")).Text("status"))
}

// sameCancel uses the order's own key for its cancellation: another route is
// another request.
func (f fleet) sameCancel(t *testing.T, c shoptest.Client, key, id string) {
	t.Helper()
	cancel := keyed{"/orders/" + id + "/cancel", nil}
	answers := together(t, c, key, f.here(), cancel)
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, answers[0].Status, answers[0].Raw)
	same(t, answers[0].Status, answers)
	o := c.Reaches(t, "/orders/"+id, "cancelled")
	shoptest.Until(t, "the payment is voided", func() bool {
		return shoptest.Statuses(f.all[0].Ledger(t, f.admin, id))[0] == "voided"
	})
	require.Len(t, f.all[0].Ledger(t, f.admin, id), 1, o.Raw)
}

// sameRefund refunds a part 50 times under one key. That the rest can be refunded
// after it, and not a cent more, shows that the provider gave it back once.
func (f fleet) sameRefund(t *testing.T, c shoptest.Client, id string) {
	t.Helper()
	s, admin := f.all[0], f.admin
	s.Dispatched(t, admin, id)
	o := admin.Get(t, "/orders/"+id)
	path, total := "/payments/"+o.Text("payment_id"), o.Number(t, "totals.total.amount")
	part := func(amount int64) keyed {
		return keyed{path + "/refunds", shoptest.Object{"amount": shoptest.Object{"amount": amount, "currency": "USD"}}}
	}
	key := fresh()
	same(t, http.StatusCreated, together(t, admin, key, f.here(), part(100)))
	admin.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, path+"/refunds", part(101).body)
	require.EqualValues(t, 100, admin.Get(t, path).Number(t, "refunded.amount"))
	admin.Keyed().Do(t, http.StatusCreated, http.MethodPost, path+"/refunds", part(total-100).body)
	admin.Keyed().Refused(t, http.StatusConflict, "payment.not_refundable", http.MethodPost, path+"/refunds", part(1).body)
	require.Equal(t, []string{"refunded"}, shoptest.Statuses(s.Ledger(t, admin, id)))
}

// sameDeposit fills a wallet 50 times under one key, by a card whose reply is lost, and
// takes something out 50 times under that key: another route is another request.
func (f fleet) sameDeposit(t *testing.T, c shoptest.Client) {
	t.Helper()
	const in, out = 2500, 700
	paid := deposit(in, "tok_lost_reply")
	var key string
	var answers []said
	shoptest.Until(t, "the card is charged", func() bool { // else a machine stood still
		key = fresh()
		answers = together(t, c, key, f.here(), paid)
		return full() || !gaveUp(paid, answers[0].Answer)
	})
	f.credited(t, same(t, http.StatusCreated, answers), in)
	c.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, deposits, deposit(in+1, "tok_lost_reply").body)
	taken := func(cents int64) keyed {
		return keyed{"/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(cents)}}
	}
	same(t, http.StatusCreated, together(t, c, key, f.here(), taken(out)))
	c.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, taken(out).path, taken(out+1).body)
	require.Equal(t, shoptest.Purse{Balance: in - out, Available: in - out}, c.Purse(t))
}

// credited demands one charge of a deposit.
func (f fleet) credited(t *testing.T, a shoptest.Answer, cents int64) {
	t.Helper()
	charges := f.all[0].Ledger(t, f.admin, a.Text("id"))
	require.Equal(t, []string{"captured"}, shoptest.Statuses(charges), a.Raw)
	require.Equal(t, cents, charges[0].Amount.Amount)
}

// TestSameKeyOtherBodies sends one key with two bodies, by two users and on two routes,
// all at the same time. Of the two bodies that one user sends to one route one is the
// request, the other is refused whenever it comes; nothing else has to do with it.
func TestSameKeyOtherBodies(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fleet) {
		s := f.all[0]
		s.SetStock(t, f.admin, shoptest.Staple, 1000)
		customers := s.Customers(t, 2*shoptest.Storm(2, 40))
		for i := 0; i < len(customers); i += 2 {
			f.mixedUses(t, customers[i].With("Prefer", "wait=10"), customers[i+1])
		}
		v := s.Verdict(t, f.admin)
		require.Equal(t, len(customers), v.Orders)
		require.Equal(t, v.Orders, v.Charges)
		s.Audited(t)
		f.clean(t)
	})
}

func (f fleet) mixedUses(t *testing.T, ada, bob shoptest.Client) {
	t.Helper()
	ada.PutInCart(t, shoptest.Staple, 1)
	bob.PutInCart(t, shoptest.Staple, 1)
	place := func(card string) keyed { return keyed{"/orders", shoptest.OrderBody(card)} }
	uses := []use{
		{ada, place("tok_visa")}, {ada, place("tok_lost_reply")}, {bob, place("tok_visa")},
		{ada, deposit(2500, "tok_visa")}, {ada, deposit(2600, "tok_visa")}, {bob, deposit(2700, "tok_lost_reply")},
	}
	by := make([][]said, len(uses))
	for i, a := range mixed(t, fresh(), f.here(), func(i int) use { return uses[i/2%len(uses)] }) {
		by[i/2%len(uses)] = append(by[i/2%len(uses)], a)
	}

	f.ordered(t, ada, by[oneOf(t, by[0], by[1])])
	f.ordered(t, bob, by[2])
	won := 3 + oneOf(t, by[3], by[4])
	f.filled(t, uses[won], by[won])
	f.filled(t, uses[5], by[5])
}

// oneOf demands that of two bodies one is the request, and that the other is refused. It
// tells which one is.
func oneOf(t *testing.T, bodies ...[]said) (won int) {
	t.Helper()
	if bodies[0][0].Status == http.StatusUnprocessableEntity {
		won = 1
	}
	for _, a := range bodies[1-won] {
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, a.Raw)
		require.Equal(t, "idempotency_key.reused", a.Text("code"))
	}
	return won
}

// ordered demands that repeats made the customer's only order.
func (f fleet) ordered(t *testing.T, c shoptest.Client, answers []said) {
	t.Helper()
	require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, answers[0].Status, answers[0].Raw)
	o := c.Decided(t, same(t, answers[0].Status, answers).Text("id"))
	require.Equal(t, "confirmed", o.Text("status"), o.Raw)
	require.Equal(t, 1, orderCount(t, c))
}

// filled demands that repeats of a deposit put it into the customer's empty wallet once.
func (f fleet) filled(t *testing.T, u use, answers []said) {
	t.Helper()
	want := int64(0)
	if full() || !gaveUp(u.keyed, answers[0].Answer) { // else a machine stood still
		a := same(t, http.StatusCreated, answers)
		want = a.Number(t, "amount.amount")
		require.Equal(t, shoptest.Amount(want), u.body.(shoptest.Object)["amount"])
		f.credited(t, a, want)
	}
	require.Equal(t, shoptest.Purse{Balance: want, Available: want}, u.by.Purse(t))
}
