package shoptest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Wish is one purchase that a buyer wants, under one key, until it knows what
// became of it.
type Wish struct {
	Key, Token string
	Cancel     bool   // it thinks better of it as soon as the order is known
	Order      string // once it is known
	Deposit    string // made for it, where the wallet pays
	deposits   int    // that came to nothing
	spent      int64  // of the wallet, in cents
	done       bool   // all that was wished was answered
}

// Crowd is the buyers of a burst. Each has a session; what they do not know they
// ask again with the same key.
type Crowd struct {
	SKU      string
	OnHand   int64 // pieces of the SKU before the burst
	Tokens   []string
	Buyers   []*Buyer
	Hasty    bool         // checkouts may run out of time, because of what the test does
	More     func() bool  // while it says so, who has all that it wished for wishes for more
	Accepted atomic.Int64 // orders that were answered
	Unknown  atomic.Int64 // requests of which nobody knew what became
	UnderWay atomic.Int64 // orders that were sent and not answered yet
	wished   atomic.Int64 // purchases
}

// Buyer is one of a crowd.
type Buyer struct {
	Client
	Wishes []*Wish
}

// NewCrowd registers buyers with so many wishes each, paid in turn by these
// tokens, and gives them something of their own to buy: onHand pieces of a SKU.
func (s *Server) NewCrowd(t *testing.T, admin Client, buyers, wishes int, onHand int64, tokens ...string) *Crowd {
	t.Helper()
	c := &Crowd{SKU: Staple, OnHand: onHand, Tokens: tokens, Buyers: make([]*Buyer, buyers)}
	admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+c.SKU, Object{"on_hand": onHand})
	clients := s.Customers(t, buyers)
	for i, client := range clients {
		c.Buyers[i] = &Buyer{Client: client}
	}
	c.Wish(wishes)
	return c
}

// Wish lets every buyer wish for so many purchases more.
func (c *Crowd) Wish(more int) {
	for i, b := range c.Buyers {
		for range more {
			b.Wishes = append(b.Wishes, c.wish(i+len(b.Wishes)))
		}
	}
}

// wish gives the n-th purchase that is wished for.
func (c *Crowd) wish(n int) *Wish {
	c.wished.Add(1)
	return &Wish{Key: rand.Text(), Token: c.Tokens[n%len(c.Tokens)]}
}

// Customers registers so many new customers, a few at a time: hashing a password
// is slow on purpose.
func (s *Server) Customers(t *testing.T, n int) []Client {
	t.Helper()
	out, next := make([]Client, n), atomic.Int64{}
	var all sync.WaitGroup
	for range min(n, 4) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				out[i] = s.Customer(t)
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed(), "a customer could not be registered")
	return out
}

// Burst lets every buyer make its purchases, one after the other, each at one of
// the servers in turn, until ctx ends or all is done. at is asked before each
// attempt, so servers may come and go.
func (c *Crowd) Burst(ctx context.Context, t *testing.T, at ...func() string) {
	t.Helper()
	var all sync.WaitGroup
	for i, b := range c.Buyers {
		all.Go(func() {
			for n := 0; n < len(b.Wishes) || c.More != nil && ctx.Err() == nil && c.More(); n++ {
				if n == len(b.Wishes) {
					b.Wishes = append(b.Wishes, c.wish(i+n))
				}
				w := b.Wishes[n]
				for try := 0; ctx.Err() == nil && !w.done; try++ {
					err := c.purchase(ctx, b.At(at[(i+n+try)%len(at)]()), w)
					switch {
					case err == nil:
						c.Accepted.Add(1)
					case errors.Is(err, errRefused):
						t.Error(err)
						return
					default:
						c.Unknown.Add(1)
						pause(ctx)
					}
				}
			}
		})
	}
	all.Wait()
}

// pause keeps a buyer from asking a server that is down as fast as it can.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

// Here is an address that stays.
func (s *Server) Here() string { return s.Shop }

// Wishes counts the purchases of all buyers, so far.
func (c *Crowd) Wishes() int { return int(c.wished.Load()) }

// errRefused is an answer that repeating does not change.
var errRefused = errors.New("refused")

// purchase makes sure that there is something in the cart and orders it. After
// another error than errRefused nobody knows what became of it.
func (c *Crowd) purchase(ctx context.Context, at Client, w *Wish) error {
	if _, err := answered(at.Try(ctx, http.MethodPut, "/cart/items/"+c.SKU, Object{"quantity": 1})); err != nil {
		return err
	}
	if err := w.fund(ctx, at); err != nil {
		return err
	}
	return c.order(ctx, at, w)
}

// order makes a purchase's order and, if that is wished, cancels it. The same
// order must come of it each time.
func (c *Crowd) order(ctx context.Context, at Client, w *Wish) error {
	c.UnderWay.Add(1)
	defer c.UnderWay.Add(-1)
	keyed := at.With("Idempotency-Key", w.Key)
	if !w.Cancel {
		keyed = keyed.With("Prefer", "wait=10")
	}
	a, err := answered(keyed.Try(ctx, http.MethodPost, "/orders", OrderBody(w.Token)))
	switch {
	case err != nil:
		return err
	case w.Order != "" && w.Order != a.Text("id"):
		return fmt.Errorf("%w: one key made the orders %s and %s", errRefused, w.Order, a.Text("id"))
	}
	w.Order = a.Text("id")
	if w.Cancel {
		a, err = answered(at.With("Idempotency-Key", w.Key+"-cancel").Try(ctx, http.MethodPost, "/orders/"+w.Order+"/cancel", nil))
		if a.Text("code") == "order.not_cancellable" {
			err = nil // too late
		}
	}
	w.done = err == nil
	return err
}

// Repeated asks for every order again, with the same key: the same order must
// come of it.
func (c *Crowd) Repeated(t *testing.T, s *Server) {
	t.Helper()
	for _, b := range c.Buyers {
		for _, w := range b.Wishes {
			require.NoError(t, c.order(t.Context(), b.At(s.Shop), w))
		}
	}
}

// answered tells what a client that must not give up makes of an answer.
func answered(a Answer, err error) (Answer, error) {
	switch {
	case err != nil:
		return a, err
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusGatewayTimeout, a.Status == http.StatusTooManyRequests,
		a.Text("code") == "idempotency_key.in_flight":
		return a, fmt.Errorf("to be repeated: %s", a.Raw)
	case a.Status >= http.StatusBadRequest:
		return a, fmt.Errorf("%w: %s", errRefused, a.Raw)
	}
	return a, nil
}

// Insist sends the request until the answer is one that repeating does not change.
// A request that changes something needs an Idempotency-Key, or an effect that may
// be had twice.
func (c Client) Insist(ctx context.Context, method, path string, body any) (Answer, error) {
	for {
		a, err := answered(c.Try(ctx, method, path, body))
		if err == nil || errors.Is(err, errRefused) || ctx.Err() != nil {
			return a, err
		}
		pause(ctx)
	}
}

// Outcome is what became of a crowd's wishes.
type Outcome struct {
	Confirmed, Declined, Unavailable, OutOfStock, EmptyCart, Cancelled int
	Spoilt                                                             int   // unavailable, and nothing is wrong with the card
	TimedOut                                                           int   // of a hasty crowd
	ByWallet                                                           int   // of the confirmed ones
	Sold                                                               int64 // pieces
}

// Settled checks from outside what became of a burst: every wish is one order and
// that is decided, the provider's ledger has one charge for each that is
// confirmed and none that lives for others, never a second one that was not declined,
// and the stock is what it must be.
func (c *Crowd) Settled(t *testing.T, s *Server, admin Client) Outcome {
	t.Helper()
	var out Outcome
	orders := map[string]bool{}
	for _, b := range c.Buyers {
		here := b.At(s.Shop)
		for _, w := range b.Wishes {
			require.NotEmpty(t, w.Order, "an order that nobody answered")
			require.False(t, orders[w.Order], "two keys made one order")
			orders[w.Order] = true
			c.judge(t, s, admin, here.Decided(t, w.Order), w, &out)
		}
		b.judgePurse(t, s, admin)
		// No order was made but those that were wished.
		require.Equal(t, len(b.Wishes), here.countOrders(t))
	}
	require.Len(t, orders, c.Wishes())
	s.Settles(t, c.SKU, Stock{OnHand: c.OnHand - out.Sold})
	s.Quiet(t) // what a crash took of cursors is fetched from the log a moment after the start
	s.Audited(t)
	return out
}

// judge compares one decided order with the provider's ledger.
func (c *Crowd) judge(t *testing.T, s *Server, admin Client, o Answer, w *Wish, out *Outcome) {
	t.Helper()
	alive, made := 0, 0
	for _, charge := range s.charges(t, admin, o) {
		if charge.Made() {
			made++
		}
		if charge.Alive() {
			alive++
			require.Equal(t, o.Number(t, "totals.total.amount"), charge.Amount.Amount)
		}
	}
	require.LessOrEqual(t, made, 1, "charges of order %s, given back or not", o.Raw)
	switch status, reason := o.Text("status"), o.Text("reason"); {
	case status == "confirmed" && w.Token == Wallet:
		require.Zero(t, made, "charges of order %s, which the wallet pays", w.Order)
		w.spent = o.Number(t, "totals.total.amount")
		out.Confirmed++
		out.ByWallet++
		out.Sold += o.Number(t, "lines.0.quantity")
		return
	case status == "confirmed":
		require.NotContains(t, []string{"tok_declined", "tok_insufficient_funds", "tok_error"}, w.Token)
		require.Equal(t, 1, alive, "charges of order %s", w.Order)
		out.Confirmed++
		out.Sold += o.Number(t, "lines.0.quantity")
		return
	case status == "cancelled" && w.Cancel:
		out.Cancelled++
	case status != "rejected":
		require.Fail(t, "an order is neither confirmed nor rejected", o.Raw)
	case reason == "payment.declined":
		require.NotEqual(t, Wallet, w.Token, "there was enough in the wallet: %s", o.Raw)
		out.Declined++
	case reason == "checkout.timeout" && c.Hasty:
		out.TimedOut++
	case reason == "payment.unavailable":
		out.Unavailable++
		if w.Token != "tok_error" {
			out.Spoilt++
		}
	case reason == "stock.insufficient":
		out.OutOfStock++
	case reason == "cart.empty":
		// Purchases of one buyer follow one another, and the cart of the last may still be being emptied.
		out.EmptyCart++
	default:
		require.Fail(t, "an order is rejected for a reason that cannot be", o.Raw)
	}
	require.Zero(t, alive, "charges of order %s", w.Order)
}

// countOrders reads all pages of a customer's orders.
func (c Client) countOrders(t *testing.T) int {
	t.Helper()
	n, path := 0, "/orders?limit=100"
	for {
		a := c.Get(t, path)
		items, _ := a.At("items").([]any)
		n += len(items)
		next := a.Text("next_cursor")
		if next == "" {
			return n
		}
		path = "/orders?limit=100&cursor=" + next
	}
}
