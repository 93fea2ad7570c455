package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// victim is a SKU whose price and stock must not change.
const victim = "victim-sku"

// world is a shop in which something is worth changing.
type world struct {
	*shoptest.Server
	admin, owner, other      shoptest.Client
	order, payment, shipment string
	http                     *http.Client
}

func newWorld(t *testing.T, settings ...string) *world {
	t.Helper()
	return worldOf(t, shoptest.Serve(t, shoptest.NewSite(t, settings...)))
}

func worldOf(t *testing.T, s *shoptest.Server) *world {
	t.Helper()
	w := &world{Server: s, admin: s.Admin(t), owner: s.Customer(t), other: s.Customer(t), http: &http.Client{
		Timeout: shoptest.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	w.admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+victim, object{"on_hand": 5})
	w.admin.Do(t, http.StatusOK, http.MethodPut, "/prices/"+victim, object{"price": money(1234), "compare_at_price": nil})
	a := w.owner.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", a.Text("status"), a.Raw)
	w.order, w.payment = a.Text("id"), a.Text("payment_id")
	shoptest.Until(t, "the order has a shipment", func() bool {
		w.shipment = w.admin.Get(t, "/orders/"+w.order).Text("shipment_id")
		return w.shipment != ""
	})
	w.owner.Emptied(t)
	w.owner.PutInCart(t, shoptest.Staple, 2)
	return w
}

// actor is somebody who asks.
type actor struct {
	name   string
	client shoptest.Client
}

func (w *world) actors() []actor {
	return []actor{{"admin", w.admin}, {"the owner", w.owner}, {"nobody", w.Anyone()}}
}

// request is one thing to ask, as it goes over the wire.
type request struct {
	route          route
	what           string // is wrong with it
	method, target string // the target is sent as it is
	header         http.Header
	tree           any    // the body, before it is spoilt
	raw            []byte // the body as it is sent, instead of tree
	chunked        bool   // without Content-Length
	refuse         bool   // it must be
	want           int    // the status, where only one is right
	pointer        string // what must be pointed at
}

// with is a copy with one more header.
func (r request) with(name string, values ...string) request {
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header[http.CanonicalHeaderKey(name)] = values
	return r
}

// placeholder stands in a tree for text that is no JSON.
const placeholder = "@@here@@"

// spoilt is the request with the placeholder in the tree replaced by raw text.
func (r request) spoilt(tree any, raw string) request {
	text, err := json.Marshal(tree)
	if err != nil {
		panic(err) // maps, lists and texts only
	}
	r.raw = bytes.Replace(text, []byte(`"`+placeholder+`"`), []byte(raw), 1)
	return r
}

// send sends one request as somebody and judges the answer.
func (w *world) send(ctx context.Context, c *tally, as actor, req request) {
	body := req.raw
	if body == nil && req.tree != nil {
		body, _ = json.Marshal(req.tree)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
		if req.chunked {
			reader = io.MultiReader(reader) // of unknown length
		}
	}
	r, err := http.NewRequestWithContext(ctx, req.method, w.Shop, reader)
	if err != nil {
		c.note(as.name, req, nil, nil, err)
		return
	}
	r.URL = &url.URL{Scheme: "http", Host: strings.TrimPrefix(w.Shop, "http://"), Opaque: req.target}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := as.client.Sends("Authorization"); token != "" {
		r.Header.Set("Authorization", token)
	}
	if req.route.op != nil && req.route.needsKey() {
		r.Header.Set("Idempotency-Key", fmt.Sprintf("hostile-%d-%s", c.sent.Load(), time.Now().Format(time.RFC3339Nano)))
	}
	for name, values := range req.header {
		r.Header[name] = values
	}
	res, err := w.http.Do(r)
	var raw []byte
	if err == nil {
		raw, err = readAll(res)
	}
	c.note(as.name, req, res, raw, err)
}

// sendAll sends everything as everybody, a few at a time.
func (w *world) sendAll(t *testing.T, c *tally, list []request, actors []actor) {
	t.Helper()
	type job struct {
		actor
		request
	}
	jobs := make(chan job)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for j := range jobs {
				w.send(t.Context(), c, j.actor, j.request)
			}
		})
	}
	for i, req := range list {
		for n, a := range actors {
			// Who may not use the route at all is refused before anything is read:
			// a part of these is enough.
			if n == 0 || (i+n)%shoptest.Storm(8, 1) == 0 {
				jobs <- job{a, req}
			}
		}
	}
	close(jobs)
	all.Wait()
	require.Empty(t, first(c.wrong, 15), "%d of %d", len(c.wrong), c.sent.Load())
}

func first(list []string, n int) []string { return list[:min(n, len(list))] }

// snapshot is all that can be seen of what is worth changing.
func (w *world) snapshot(t *testing.T) map[string]string {
	t.Helper()
	seen := map[string]string{}
	look := func(c shoptest.Client, path string) {
		for next := path; next != ""; {
			a := c.Get(t, next)
			seen[next], next = a.Raw, ""
			if cursor := a.Text("next_cursor"); cursor != "" {
				next = path + "&cursor=" + cursor
			}
		}
	}
	for _, status := range []string{"published", "draft", "archived"} {
		look(w.admin, "/products?limit=100&status="+status)
	}
	for _, path := range []string{"/orders?limit=100&all=true", "/orders/" + w.order, "/payments/" + w.payment, "/shipments/" + w.shipment, "/users/me"} {
		look(w.admin, path)
	}
	for _, sku := range []string{victim, shoptest.Staple} {
		look(w.admin, "/stock/"+sku)
		look(w.admin, "/prices/"+sku)
	}
	look(w.owner, "/cart")
	look(w.owner, "/users/me")
	look(w.other, "/orders?limit=100")
	return seen
}
