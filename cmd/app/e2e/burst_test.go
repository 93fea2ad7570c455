package e2e

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

const (
	buyers    = 8
	purchases = 8 // of each
)

// wish is one purchase that a client wants, under one key, until it knows what
// became of it.
type wish struct {
	key, token string
	order      string // once it is known
}

// crowd is the clients of a burst. Each has a session; what they do not know
// they ask again with the same key.
type crowd struct {
	sku     string
	clients [buyers]client
	wishes  [buyers][purchases]*wish
}

// newCrowd registers the clients and gives them something of their own to buy:
// many pieces of one SKU.
func (s *server) newCrowd(t *testing.T, admin client) *crowd {
	t.Helper()
	c := &crowd{sku: staple}
	admin.do(t, http.StatusOK, http.MethodPut, "/stock/"+c.sku, object{"on_hand": 1000})
	var all sync.WaitGroup
	for i := range c.clients {
		all.Go(func() { c.clients[i] = s.customer(t) })
		for n := range c.wishes[i] {
			c.wishes[i][n] = &wish{key: rand.Text(), token: []string{"tok_visa", "tok_declined", "tok_visa", "tok_lost_reply"}[n%4]}
		}
	}
	all.Wait()
	return c
}

// burst lets every client make its purchases, one after the other, each at one
// of the servers in turn, until ctx ends or all is done. accepted counts what was
// answered.
func (c *crowd) burst(ctx context.Context, t *testing.T, accepted *atomic.Int64, servers ...*server) {
	t.Helper()
	var all sync.WaitGroup
	for i, user := range c.clients {
		all.Go(func() {
			for n, w := range c.wishes[i] {
				at := user.at(servers[(i+n)%len(servers)].shop)
				for ctx.Err() == nil && w.order == "" {
					if err := c.purchase(ctx, at, w); err == nil {
						accepted.Add(1)
					} else if errors.Is(err, errRefused) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// errRefused is an answer that repeating does not change.
var errRefused = errors.New("refused")

// purchase makes sure that there is something in the cart and orders it. After
// another error than errRefused nobody knows what became of it.
func (c *crowd) purchase(ctx context.Context, at client, w *wish) error {
	if _, err := answered(at.try(ctx, http.MethodPut, "/cart/items/"+c.sku, object{"quantity": 1})); err != nil {
		return err
	}
	a, err := answered(at.with("Idempotency-Key", w.key).with("Prefer", "wait=10").try(ctx, http.MethodPost, "/orders", orderBody(w.token)))
	if err == nil {
		w.order = a.text("id")
	}
	return err
}

// answered tells what a client that must not give up makes of an answer.
func answered(a answer, err error) (answer, error) {
	switch {
	case err != nil:
		return a, err
	case a.status == http.StatusServiceUnavailable, a.text("code") == "idempotency_key.in_flight":
		return a, fmt.Errorf("to be repeated: %s", a.raw)
	case a.status >= http.StatusBadRequest:
		return a, fmt.Errorf("%w: %s", errRefused, a.raw)
	}
	return a, nil
}

// settled checks from outside what became of a burst: every wish is one order and
// that is decided, the provider's ledger has one charge for each that is
// confirmed and none that lives for others, and the stock is what it must be.
func (c *crowd) settled(t *testing.T, s *server, admin client) {
	t.Helper()
	orders, sold := map[string]bool{}, int64(0)
	for i, user := range c.clients {
		here := user.at(s.shop)
		for _, w := range c.wishes[i] {
			require.NotEmpty(t, w.order)
			require.False(t, orders[w.order], "two keys made one order")
			orders[w.order] = true
			o := here.decided(t, w.order)
			alive := 0
			for _, charge := range s.ledger(t, admin, w.order) {
				if charge.Status == "authorised" || charge.Status == "captured" {
					alive++
					require.Equal(t, o.number(t, "totals.total.amount"), charge.Amount.Amount)
				}
			}
			switch status := o.text("status"); status {
			case "confirmed":
				require.NotEqual(t, "tok_declined", w.token)
				require.Equal(t, 1, alive, "charges of order %s", w.order)
				sold += o.number(t, "lines.0.quantity")
			case "rejected":
				// Purchases of one client follow one another and the cart of the last may still be being emptied.
				require.Contains(t, []string{"payment.declined", "cart.empty"}, o.text("reason"), o.raw)
				require.Zero(t, alive, "charges of order %s", w.order)
			default:
				t.Errorf("order %s is %s", w.order, status)
			}
		}
		// No order was made but those that were wished.
		require.Len(t, here.get(t, "/orders?limit=100").at("items"), purchases)
	}
	require.Len(t, orders, buyers*purchases)
	require.Greater(t, sold, int64(buyers*purchases/4), "too few orders were confirmed for the test to say anything")
	s.settles(t, c.sku, stock{onHand: 1000 - sold})
	s.audited(t)
}

// TestRestart kills the shop in the middle of a burst, starts it again on the
// same data, and repeats with the same keys what nobody knows the outcome of.
func TestRestart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		c := s.newCrowd(t, s.admin(t))
		var accepted atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.burst(ctx, t, &accepted, s)
		}()
		until(t, "a part of the burst", func() bool { return accepted.Load() > buyers })
		s.kill(t)
		cancel()
		<-done
		known := accepted.Load()
		require.Less(t, known, int64(buyers*purchases), "the kill came too late")

		s = serve(t, at)
		c.burst(t.Context(), t, &accepted, s)
		t.Logf("killed after %d of %d orders", known, buyers*purchases)
		c.settled(t, s, s.admin(t))
	})
}

// TestTwoInstances shares a burst among two servers on one database.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	first := newPostgresSite(t, "BANYAN_ADMIN_EMAIL=chief@example.com", "BANYAN_ADMIN_PASSWORD="+password)
	second := newSite(t, first.settings[len(first.settings)-3:]...)
	a, b := serve(t, first), serve(t, second)
	require.NotEqual(t, a.data, b.data)
	admin := a.logIn(t, "chief@example.com", password)
	c := a.newCrowd(t, admin)
	var accepted atomic.Int64
	c.burst(t.Context(), t, &accepted, a, b)
	c.settled(t, b, admin)
	b.audited(t)
}

// TestStop asks the shop to stop while requests are under way: each that was
// accepted is answered, and the process leaves with exit code 0.
func TestStop(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at.with("BANYAN_SHUTDOWN_TIMEOUT=20s"))
		var users [4]client
		for i := range users {
			users[i] = s.customer(t)
			users[i].putInCart(t, staple, 1)
		}
		answers, errs := [len(users)]answer{}, [len(users)]error{}
		var all sync.WaitGroup
		for i, user := range users {
			all.Go(func() {
				// The card takes three seconds, so the request is under way when the signal comes.
				answers[i], errs[i] = user.with("Idempotency-Key", fmt.Sprint("stop-", i)).with("Prefer", "wait=10").
					try(t.Context(), http.MethodPost, "/orders", orderBody("tok_slow"))
			})
		}
		for _, user := range users {
			until(t, "the order is under way", func() bool { return user.get(t, "/orders").text("items.0.status") == "pending" })
		}
		began := time.Now()
		code := s.stop(t)
		all.Wait()
		require.Zero(t, code, s.log)
		require.Less(t, time.Since(began), 25*time.Second)
		for i := range users {
			require.NoError(t, errs[i], "a request under way was cut")
			require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, answers[i].status, answers[i].raw)
		}
		_, err := users[0].try(t.Context(), http.MethodGet, "/orders", nil)
		require.Error(t, err)

		again := serve(t, at)
		for i, user := range users {
			o := user.at(again.shop).decided(t, answers[i].text("id"))
			require.Equal(t, "confirmed", o.text("status"), o.raw)
		}
		again.audited(t)
	})
}
