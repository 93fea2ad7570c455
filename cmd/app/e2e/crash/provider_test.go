package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// provider is the foreign company that a storm pays at. It lives in the test's own
// process, which nobody kills, and keeps its ledger apart from the shop: so it has
// charged and is well while the shop is dead, and tells what it did to a shop that may
// be dead just then.
type provider struct {
	box     *sandbox.Sandbox
	shops   []*victim // in turn, they are told
	turn    atomic.Uint64
	charged chan *victim // who takes one has the shop's reply held back until it is dead
	told    atomic.Int64 // webhooks that a shop has taken
	missed  atomic.Int64 // webhooks that met no shop, and are sent again
}

// What a shop and this provider know of each other.
const (
	apiKey        = "the-key-that-the-provider-gave"
	webhookSecret = "the-secret-of-its-webhooks"
)

func openProvider(t *testing.T, shops ...*victim) *provider {
	t.Helper()
	p := &provider{shops: shops, charged: make(chan *victim)}
	webhooks := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(p.next()) },
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode/100 == 2 {
				p.told.Add(1)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			p.missed.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(webhooks.Close)
	db := testenv.SQLite(t, "sandbox")
	require.NoError(t, db.Migrate(t.Context(), sandbox.Migrations()...))
	var err error
	p.box, err = sandbox.New(sandbox.Deps{
		DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), APIKey: apiKey,
		Admin:      func(*http.Request) error { return nil }, // only the test knows where it is
		WebhookURL: webhooks.URL + "/api/v1/payments/webhook", WebhookSecret: webhookSecret,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, task := range p.box.Tasks() { // it has one
			_ = task.Run(ctx) // until stop
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return p
}

// next is the shop that is told next.
func (p *provider) next() *url.URL {
	at, err := url.Parse(p.shops[p.turn.Add(1)%uint64(len(p.shops))].Here())
	if err != nil { // it is what a shop printed
		panic(err)
	}
	return at
}

// opens gives a shop an address of the provider's own.
func (p *provider) opens(t *testing.T, v *victim, at shoptest.Site) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &reply{ResponseWriter: w}
		p.box.ServeHTTP(answer, r)
		if r.Method != http.MethodPost || r.URL.Path != "/charges" || !answer.authorised {
			return
		}
		select {
		case p.charged <- v:
			<-r.Context().Done() // the reply is small: it leaves when we have returned
		default:
		}
	}))
	t.Cleanup(server.Close)
	v.at = at.With("BANYAN_PAYMENTS_PROVIDER_URL="+server.URL, "BANYAN_PAYMENTS_API_KEY="+apiKey, "BANYAN_PAYMENTS_WEBHOOK_SECRET="+webhookSecret)
}

// charging waits for a shop whose card is charged without its knowing: the reply is on
// the way until the shop is killed, as it must be then. nil: nobody has paid for a while.
func (p *provider) charging(done <-chan struct{}) *victim {
	select {
	case v := <-p.charged:
		return v
	case <-done:
	case <-time.After(3 * time.Second):
	}
	return nil
}

// reply notes whether it tells of money that was set aside.
type reply struct {
	http.ResponseWriter
	authorised bool
}

func (r *reply) Write(p []byte) (int, error) {
	r.authorised = bytes.Contains(p, []byte(`"status":"authorised"`))
	return r.ResponseWriter.Write(p)
}

// Unwrap lets a lost reply be lost.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// living counts all charges that are not given back, whatever they are for.
func (v *victim) living(t *testing.T) (n int) {
	t.Helper()
	at := shoptest.NewClient(v.at.Setting("BANYAN_PAYMENTS_PROVIDER_URL"))
	for path := "//charges"; ; {
		var page struct {
			Items []shoptest.Charge
			Next  string `json:"next_cursor"`
		}
		a := at.Get(t, path)
		require.NoError(t, json.Unmarshal([]byte(a.Raw), &page), a.Raw)
		for _, c := range page.Items {
			if c.Alive() {
				n++
			}
		}
		if page.Next == "" {
			return n
		}
		path = "//charges?cursor=" + page.Next
	}
}
