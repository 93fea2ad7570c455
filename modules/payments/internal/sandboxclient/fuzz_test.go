package sandboxclient_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/internal/sandboxclient"
)

// said is what the provider of a fuzzer says.
type said struct {
	status int
	body   []byte
}

// FuzzAnswer: whatever a provider answers, it is a charge that makes sense, a definite
// no with a code, or an error, after which the outcome is unknown.
func FuzzAnswer(f *testing.F) {
	var answer atomic.Pointer[said]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := answer.Load()
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
	}))
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		answer.Store(&said{200 + int(status)%400, body})
		guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "provider"}) // a new one: the last one may be closed
		require.NoError(t, err)
		c := sandboxclient.New(srv.URL, "key", guard)
		defer c.Close()
		ctx := t.Context()
		charge, err := c.Charge(ctx, core.ChargeRequest{Key: "k", Reference: "o", Amount: money.Of(100, "USD"), Token: "tok_x"})
		made := answer.Load().status == http.StatusOK || answer.Load().status == http.StatusCreated
		if err == nil {
			require.True(t, made, "%d is no success", answer.Load().status)
			requireSense(t, charge)
			require.Equal(t, "k", charge.Key)
			require.Equal(t, "o", charge.Reference)
			require.Equal(t, money.Of(100, "USD"), charge.Amount)
		} else {
			require.Zero(t, charge)
			require.NotContains(t, err.Error(), "tok_x")
		}
		var no *core.Refusal
		if c, err := c.Capture(ctx, "ch", "k2", money.Of(100, "USD")); err == nil {
			require.Equal(t, "ch", c.ID)
			requireSense(t, c)
		}
		if made {
			_, err := c.Void(ctx, "ch", "k3")
			require.NotErrorAs(t, err, &no, "a success is no refusal")
		}
		if found, ok, err := c.Find(ctx, "k"); err == nil && ok {
			requireSense(t, found)
		}
		if page, next, err := c.List(ctx, "from"); err == nil {
			for _, charge := range page {
				requireSense(t, charge)
			}
			require.NotEqual(t, "from", next, "a list that stands still would be read for ever")
		}
	})
}

func requireSense(t *testing.T, c core.Charge) {
	t.Helper()
	require.NotEmpty(t, c.ID)
	require.NotEmpty(t, c.Reference)
	require.NotEmpty(t, c.Key)
	require.GreaterOrEqual(t, c.Amount.Amount, int64(0))
	require.Contains(t, []string{core.ChargeAuthorised, core.ChargeCaptured, core.ChargeVoided, core.ChargeRefunded, core.ChargeDeclined}, c.Status)
	require.True(t, c.Refunded >= 0 && c.Captured >= c.Refunded && c.Amount.Amount >= c.Captured, "%+v", c)
}
