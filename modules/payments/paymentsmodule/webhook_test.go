package paymentsmodule_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentshttp"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// The provider acts, its replies and the look-ups are lost, no worker runs: only
// its webhook, over HTTP, tells what became of the charge.
func TestWebhookTellsWhatReplyDidNot(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		t.Helper()
		ours, theirs := open("payments"), open("sandbox")
		require.NoError(t, ours.Migrate(t.Context(), paymentsmodule.Migrations()...))
		require.NoError(t, theirs.Migrate(t.Context(), sandbox.Migrations()...))
		log := slog.New(slog.DiscardHandler)
		var box atomic.Pointer[sandbox.Sandbox]
		provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				box.Load().ServeHTTP(httptest.NewRecorder(), r)
			}
			w.WriteHeader(http.StatusBadGateway)
		}))
		t.Cleanup(provider.Close)
		m, err := paymentsmodule.New(paymentsmodule.Deps{
			DB: ours, Now: clock.System, NewID: id.V7, Log: log,
			Provider: paymentsmodule.Provider{BaseURL: provider.URL, APIKey: "key", WebhookSecret: "whsec"},
		})
		require.NoError(t, err)
		shop := webtest.New(t, func(r *web.Router) { paymentshttp.Register(r, paymentshttp.Deps{Payments: m.Service}) })
		made, err := sandbox.New(sandbox.Deps{
			DB: theirs, Now: clock.System, NewID: id.V7, Log: log, APIKey: "key",
			WebhookURL: shop.URL + "/api/v1/payments/webhook", WebhookSecret: "whsec",
		})
		require.NoError(t, err)
		box.Store(made)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- made.Tasks()[0].Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})

		req := paymentstest.Request("tok_visa")
		_, err = m.Service.Authorize(paymentstest.Shop(ctx), req)
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		require.Eventually(t, func() bool {
			p, err := m.Service.ByOrder(paymentstest.Shop(ctx), payments.OrderRequest{OrderID: req.OrderID})
			return err == nil && p.Status == payments.Authorised
		}, patience, 10*time.Millisecond)
	})
}
