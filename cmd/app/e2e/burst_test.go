package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const (
	buyers    = 8
	purchases = 8 // of each
)

// cards are the tokens that a burst pays with, in turn.
var cards = []string{"tok_visa", "tok_declined", "tok_visa", "tok_lost_reply"}

// enough demands that a burst sold something: else it says nothing.
func enough(t *testing.T, o shoptest.Outcome) {
	t.Helper()
	require.Greater(t, o.Confirmed, buyers*purchases/4, "too few orders were confirmed for the test to say anything")
}

// TestRestart kills the shop in the middle of a burst, starts it again on the
// same data, and repeats with the same keys what nobody knows the outcome of.
func TestRestart(t *testing.T) {
	t.Parallel()
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
		c := s.NewCrowd(t, s.Admin(t), buyers, purchases, 1000, cards...)
		ctx, cancel := context.WithCancel(t.Context())
		c.More = func() bool { return true } // until it is killed
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Burst(ctx, t, s.Here)
		}()
		shoptest.Until(t, "a part of the burst", func() bool { return c.Accepted.Load() > buyers })
		s.Kill(t)
		cancel()
		<-done
		known := c.Accepted.Load()

		c.More = nil
		s = shoptest.Serve(t, at)
		c.Burst(t.Context(), t, s.Here)
		t.Logf("killed after %d of %d orders", known, c.Wishes())
		enough(t, c.Settled(t, s, s.Admin(t)))
	})
}

// TestTwoInstances shares a burst among two servers on one database.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	first := shoptest.NewPostgresSite(t, "BANYAN_ADMIN_EMAIL=chief@example.com", "BANYAN_ADMIN_PASSWORD="+shoptest.Password)
	second := first.Twin(t)
	a, b := shoptest.Serve(t, first), shoptest.Serve(t, second)
	require.NotEqual(t, a.Data, b.Data)
	admin := a.LogIn(t, "chief@example.com", shoptest.Password)
	c := a.NewCrowd(t, admin, buyers, purchases, 1000, cards...)
	c.Burst(t.Context(), t, a.Here, b.Here)
	enough(t, c.Settled(t, b, admin))
	b.Audited(t)
}

// TestStop asks the shop to stop while requests are under way: each that was
// accepted is answered, and the process leaves with exit code 0.
func TestStop(t *testing.T) {
	t.Parallel()
	shoptest.OnSome(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at.With("BANYAN_SHUTDOWN_TIMEOUT=20s"))
		var users [4]shoptest.Client
		for i := range users {
			users[i] = s.Customer(t)
		}
		answers, errs := [len(users)]shoptest.Answer{}, [len(users)]error{}
		var all sync.WaitGroup
		pending := 0
		for try := 0; pending == 0 && try < 5; try++ { // a busy machine may look when all is decided
			all.Wait()
			for _, user := range users {
				user.Emptied(t)
				user.PutInCart(t, shoptest.Staple, 1)
			}
			for i, user := range users {
				all.Go(func() {
					// The card takes three seconds, so the request is under way when the signal comes.
					answers[i], errs[i] = user.With("Idempotency-Key", fmt.Sprintf("stop-%d-%d", try, i)).With("Prefer", "wait=10").
						Try(t.Context(), http.MethodPost, "/orders", shoptest.OrderBody("tok_slow"))
				})
			}
			for _, user := range users {
				var seen shoptest.Answer
				shoptest.Until(t, "the order is there", func() bool {
					seen = user.Get(t, "/orders")
					items, _ := seen.At("items").([]any)
					return len(items) > try
				})
				if seen.Text("items.0.status") == "pending" {
					pending++
				}
			}
		}
		require.Positive(t, pending, "no order was under way: the test says nothing")
		began := time.Now()
		code := s.Stop(t)
		all.Wait()
		require.Zero(t, code, s.Log)
		if shoptest.Storm(0, 1) == 1 {
			require.Less(t, time.Since(began), 25*time.Second)
		}
		for i := range users {
			require.NoError(t, errs[i], "a request under way was cut")
			require.Contains(t, []int{http.StatusCreated, http.StatusAccepted}, answers[i].Status, answers[i].Raw)
		}
		_, err := users[0].Try(t.Context(), http.MethodGet, "/orders", nil)
		require.Error(t, err)

		again := shoptest.Serve(t, at)
		for i, user := range users {
			o := user.At(again.Shop).Decided(t, answers[i].Text("id"))
			require.Equal(t, "confirmed", o.Text("status"), o.Raw)
		}
		again.Audited(t)
	})
}
