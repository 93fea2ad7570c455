package contention

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestDatabaseStoppedHard takes the database server away in the middle of a burst,
// again and again. Meanwhile everything is refused with 503, never with 500; after
// it the shop goes on by itself, and no order that was answered is lost.
func TestDatabaseStoppedHard(t *testing.T) {
	t.Parallel()
	pg := shoptest.StartPostgres(t)
	f := serve(t, shoptest.NewSite(t, "BANYAN_DATABASE_URL="+pg.URL), 2)
	stops := shoptest.Storm(2, 10)
	c := f.all[0].NewCrowd(t, f.admin, 12, 5*stops, 100_000, "tok_visa", "tok_lost_reply", "tok_declined", "tok_flaky")
	var over atomic.Bool
	c.More = func() bool { return !over.Load() }
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Burst(t.Context(), t, f.here()...)
	}()
	var seen outage
	most := int64(c.Wishes())
	for stop := range stops {
		part := most * int64(stop) / int64(stops)
		shoptest.Until(t, "a part of the burst", func() bool { return c.Accepted.Load() > part })
		pg.Stop(t, []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL}[stop%2])
		seen.look(t, f)
		pg.Start(t)
	}
	over.Store(true)
	<-done
	for _, s := range f.all { // by itself, without a restart
		shoptest.Until(t, "the instance is ready", func() bool {
			a, err := shoptest.NewClient(s.Shop).Try(t.Context(), http.MethodGet, "//health/ready", nil)
			return err == nil && a.Status == http.StatusOK
		})
	}
	o := c.Settled(t, f.all[0], f.admin)
	v := f.all[0].Verdict(t, f.admin)
	t.Logf("%d stops, %d answers meanwhile, %d of them 503; %d answers of the burst unknown or to be repeated; %+v, %d charges",
		stops, seen.answers.Load(), seen.refused.Load(), c.Unknown.Load(), o, v.Charges)
	require.Positive(t, o.Confirmed)
	require.Positive(t, c.Unknown.Load(), "no stop hit a request: the test says nothing")
	f.clean(t)
}

// outage counts what is answered while there is no database.
type outage struct{ answers, refused atomic.Int64 }

// look asks all kinds of questions at once. Each must be answered, by a refusal
// that says when to come again, unless no database is needed for it.
func (o *outage) look(t *testing.T, f fleet) {
	t.Helper()
	questions := []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/products", nil},
		{http.MethodGet, "/cart", nil},
		{http.MethodGet, "/orders", nil},
		{http.MethodGet, "/stock/" + shoptest.Staple, nil},
		{http.MethodGet, "/users/me", nil},
		{http.MethodPut, "/cart/items/" + shoptest.Staple, shoptest.Object{"quantity": 1}},
		{http.MethodPost, "/orders", shoptest.OrderBody("tok_visa")},
		{http.MethodPost, "/sessions", shoptest.Object{"email": chief, "password": shoptest.Password}},
		{http.MethodPost, "/users", shoptest.Object{"email": "new" + fresh() + "@example.com", "password": shoptest.Password, "name": "Ada"}},
	}
	ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range f.all {
		for _, q := range questions {
			all.Go(func() {
				a, err := f.admin.At(s.Shop).Keyed().Try(ctx, q.method, q.path, q.body)
				o.answers.Add(1)
				switch {
				case err != nil:
					t.Errorf("%s %s was not answered: %v", q.method, q.path, err)
				case a.Status != http.StatusServiceUnavailable:
					t.Errorf("%s %s without a database: %d %s", q.method, q.path, a.Status, a.Raw)
				case a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Type") != "application/problem+json":
					t.Errorf("%s %s: a refusal without Retry-After, or not a problem: %v %s", q.method, q.path, a.Header, a.Raw)
				default:
					o.refused.Add(1)
				}
			})
		}
		all.Go(func() { // an outage is when somebody looks at them
			a, err := shoptest.NewClient(s.Ops).Try(ctx, http.MethodGet, "//metrics", nil)
			if err != nil || a.Status != http.StatusOK || !strings.Contains(string(a.Raw), "http_requests_total{") {
				t.Errorf("metrics without a database: %v %d %.200s", err, a.Status, a.Raw)
			}
		})
		all.Go(func() {
			ready := func() bool {
				a, err := shoptest.NewClient(s.Shop).Try(ctx, http.MethodGet, "//health/ready", nil)
				return err != nil || a.Status == http.StatusOK
			}
			for ready() && ctx.Err() == nil { // a good answer stands for a second
				sometime(ctx, 200*time.Millisecond)
			}
			if ctx.Err() != nil {
				t.Error("the instance stays ready without a database")
			}
		})
	}
	all.Wait()
}
