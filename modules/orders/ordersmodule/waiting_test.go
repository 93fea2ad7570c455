package ordersmodule_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordershttp"
)

// Buyers who wait for the decision hold no places, neither at the edge nor where orders
// run, also when these are two processes.
func TestBuyersWhoWaitHoldNoPlaces(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	const places = 2
	conn := rabbittest.Narrow(t, rabbit.Limits{Places: places}, func(s *port.Server) { orders.Serve(s, b.Service) })
	s := webtest.New(t, func(r *web.Router) { ordershttp.Register(r, ordershttp.Deps{Orders: orders.NewClient(conn)}) },
		func(c *web.Config) {
			c.Admission = web.Admission{InFlight: places, Queue: 1, Wait: 10 * time.Millisecond}
		})
	committing, open := make(chan string, places+1), make(chan struct{})
	b.shop.Before(func(method, order string) error {
		if method == "inventory.commit" {
			committing <- order
			<-open
		}
		return nil
	})
	body := map[string]any{
		"shipping_address": map[string]any{"name": "Ada", "line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4LB", "country": "GB"},
		"shipping_method":  "standard",
		"payment":          map[string]any{"method": "card", "token": "tok_visa"},
	}
	place := func(prefer string) webtest.Response {
		user := b.buyer(1)
		return s.Do(http.MethodPost, "/api/v1/orders", body, webtest.As("user:"+user).With("Idempotency-Key", user).With("Prefer", prefer))
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	release := sync.OnceFunc(func() { close(open) })
	defer release()
	answers := make(chan webtest.Response, places)
	for range places {
		waiting.Go(func() { answers <- place("wait=10") })
	}
	first := <-committing
	<-committing
	require.Equal(t, http.StatusAccepted, place("respond-async").Status)
	got := s.Do(http.MethodGet, "/api/v1/orders/"+first, nil, webtest.As("staff")).Require(http.StatusOK)
	require.Equal(t, orders.Pending, got.Get("status"))
	release()
	for range places {
		require.Equal(t, orders.Confirmed, (<-answers).Require(http.StatusCreated).Get("status"))
	}
}
