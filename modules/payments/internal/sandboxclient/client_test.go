package sandboxclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/internal/sandboxclient"
)

func setup(t *testing.T, answer http.HandlerFunc) *sandboxclient.Client {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "provider"})
	require.NoError(t, err)
	c := sandboxclient.New(srv.URL+"/", "key", guard)
	t.Cleanup(c.Close)
	return c
}

// charge is one as the provider writes it.
func charge(id, key, reference string, amount int64, status string) string {
	return fmt.Sprintf(`{"id":%q,"idempotency_key":%q,"reference":%q,"amount":{"amount":%d,"currency":"USD"},"status":%q,"captured":0,"refunded":0}`,
		id, key, reference, amount, status)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]struct {
		status int
		body   string
		no     bool // a definite one
		ok     bool
	}{
		"made":                 {201, charge("ch", "k", "o", 1, "authorised"), false, true},
		"nothing in it":        {200, `{}`, false, false},
		"null":                 {200, `null`, false, false},
		"another's key":        {201, charge("ch", "other", "o", 1, "authorised"), false, false},
		"another's order":      {201, charge("ch", "k", "other", 1, "authorised"), false, false},
		"another amount":       {201, charge("ch", "k", "o", 2, "authorised"), false, false},
		"unknown status":       {201, charge("ch", "k", "o", 1, "approved"), false, false},
		"an id that is a path": {201, charge("../x", "k", "o", 1, "authorised"), false, false},
		"refused":              {409, `{"code":"not_allowed","detail":"no"}`, true, false},
		"bad token":            {400, `{"code":"invalid_token","detail":"no"}`, true, false},
		"a proxy speaks":       {404, `<html>`, false, false},
		"our key is bad":       {401, `{"code":"unauthenticated"}`, false, false},
		"too much":             {429, `{"code":"slow_down"}`, false, false},
		"broken":               {500, `{"code":"internal"}`, false, false},
		"garbage":              {200, `{`, false, false},
		"redirect is no reply": {302, ``, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer key" || r.Header.Get("Idempotency-Key") != "k" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			})
			got, err := c.Charge(t.Context(), core.ChargeRequest{Key: "k", Reference: "o", Amount: money.Of(1, "USD"), Token: "t"})
			if a.ok {
				require.NoError(t, err)
				require.Equal(t, "ch", got.ID)
				return
			}
			var no *core.Refusal
			require.Error(t, err)
			if a.no {
				require.ErrorAs(t, err, &no)
				return
			}
			require.NotErrorAs(t, err, &no)
		})
	}
}

// A provider that is down is left alone for a while, and tried again after.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var calls atomic.Int64
	down.Store(true)
	c := setup(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"items":[]}`))
	})
	for range 60 {
		_, err := c.ByReference(t.Context(), "o")
		require.Error(t, err)
	}
	require.Less(t, calls.Load(), int64(40))
	require.Eventually(t, func() bool { // after a pause one call is let through, and finds it down
		_, err := c.ByReference(t.Context(), "o")
		return errors.Is(err, core.ErrNotAsked) && errors.Is(c.Ready(), core.ErrNotAsked)
	}, time.Minute, 20*time.Millisecond)
	down.Store(false)
	require.Eventually(t, func() bool {
		_, err := c.ByReference(t.Context(), "o")
		return err == nil
	}, time.Minute, 20*time.Millisecond)
}

// A lost connection is never repeated by the HTTP client itself.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := setup(t, func(_ http.ResponseWriter, r *http.Request) {
		if calls.Add(1); r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
	})
	for range 3 { // the later ones on connections that were used before
		_, _ = c.ByReference(t.Context(), "o")
		before := calls.Load()
		_, err := c.Void(t.Context(), "ch", "k")
		require.Error(t, err)
		require.Equal(t, before+1, calls.Load())
	}
}
