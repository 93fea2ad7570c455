package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

type bundle struct {
	t   *testing.T
	url string
	box *sandbox.Sandbox
}

func each(t *testing.T, fn func(t *testing.T, b *bundle)) {
	t.Helper()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		t.Helper()
		fn(t, setup(t, db))
	})
}

func setup(t *testing.T, db *database.DB, opts ...func(*sandbox.Deps)) *bundle {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), sandbox.Migrations()...))
	d := sandbox.Deps{
		DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), APIKey: "key",
		Slow: func(context.Context) error { return nil },
		Admin: func(r *http.Request) error {
			switch r.Header.Get("Authorization") {
			case "Bearer admin":
				return nil
			case "Bearer customer":
				return fault.Forbidden.Errorf("no admin")
			default:
				return fault.Unauthenticated.Errorf("nobody known")
			}
		},
	}
	for _, opt := range opts {
		opt(&d)
	}
	box, err := sandbox.New(d)
	require.NoError(t, err)
	srv := httptest.NewServer(http.StripPrefix("/sandbox/psp", box))
	t.Cleanup(srv.Close)
	return &bundle{t, srv.URL + "/sandbox/psp", box}
}

func (b *bundle) try(method, path, token, key, body string) (int, map[string]any, error) {
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, bytes.NewBufferString(body))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
		req.GetBody = nil
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out := map[string]any{}
	return res.StatusCode, out, json.NewDecoder(res.Body).Decode(&out)
}

func (b *bundle) do(status int, method, path, key, body string) map[string]any {
	b.t.Helper()
	got, out, err := b.try(method, path, "key", key, body)
	require.NoError(b.t, err)
	require.Equal(b.t, status, got, "%v", out)
	return out
}

func body(token string) string {
	return `{"reference":"order-1","amount":{"amount":1000,"currency":"USD"},"token":"` + token + `"}`
}

func (b *bundle) items(query string) []any {
	b.t.Helper()
	return b.do(200, "GET", "/charges?"+query, "", "")["items"].([]any)
}

func TestCards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for token, status := range map[string]string{"tok_visa": "authorised", "tok_slow": "authorised", "tok_declined": "declined", "tok_insufficient_funds": "declined"} {
			first := b.do(201, "POST", "/charges", token, body(token))
			require.Equal(t, status, first["status"])
			require.Equal(t, first, b.do(201, "POST", "/charges", token, body(token)))
		}
		for range 3 {
			b.do(500, "POST", "/charges", "error", body("tok_error"))
		}
		for _, key := range []string{"flaky-1", "flaky-2"} {
			b.do(500, "POST", "/charges", key, body("tok_flaky"))
			b.do(500, "POST", "/charges", key, body("tok_flaky"))
			b.do(201, "POST", "/charges", key, body("tok_flaky"))
		}
		_, _, err := b.try("POST", "/charges", "key", "lost", body("tok_lost_reply"))
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, b.items("idempotency_key=lost"), 1)
		require.Equal(t, "invalid_token", b.do(400, "POST", "/charges", "x", body("4111111111111111"))["code"])
		b.do(422, "POST", "/charges", "tok_visa", `{"reference":"order-2","amount":{"amount":1000,"currency":"USD"},"token":"tok_visa"}`)
		b.do(400, "POST", "/charges", "", body("tok_visa"))
		b.do(400, "POST", "/charges", "y", `{"token":"tok_visa"}`)
		require.Len(t, b.items("reference=order-1"), 7)
	})
}

func TestOneKeyOneChargeAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { _, _, _ = b.try("POST", "/charges", "key", "k", body("tok_visa")) })
		}
		all.Wait()
		require.Len(t, b.items("reference=order-1"), 1)
	})
}

func TestActions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		path := "/charges/" + b.do(201, "POST", "/charges", "c", body("tok_visa"))["id"].(string)
		amount := func(n string) string { return `{"amount":{"amount":` + n + `,"currency":"USD"}}` }
		b.do(409, "POST", path+"/refund", "r0", amount("1"))
		b.do(409, "POST", path+"/capture", "p0", amount("1001"))
		for range 2 {
			require.EqualValues(t, 1000, b.do(200, "POST", path+"/capture", "p", amount("1000"))["captured"])
		}
		b.do(409, "POST", path+"/void", "v", `{}`)
		b.do(422, "POST", path+"/refund", "p", amount("1"))
		for range 2 {
			require.EqualValues(t, 600, b.do(200, "POST", path+"/refund", "r1", amount("600"))["refunded"])
		}
		b.do(409, "POST", path+"/refund", "r2", amount("401"))
		require.Equal(t, "refunded", b.do(200, "POST", path+"/refund", "r2", amount("400"))["status"]) // a refusal uses up no key
		b.do(404, "POST", "/charges/nobody/void", "n", `{}`)
		require.Len(t, b.items("idempotency_key=r1"), 1)

		other := "/charges/" + b.do(201, "POST", "/charges", "d", body("tok_visa"))["id"].(string)
		require.Equal(t, "voided", b.do(200, "POST", other+"/void", "w", `{}`)["status"])
		b.do(409, "POST", other+"/capture", "q", amount("1000"))
	})
}

func TestLedgerIsForAdminsAndTheMerchant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for range 3 {
			b.do(201, "POST", "/charges", id.V7(), body("tok_visa"))
		}
		for token, want := range map[string]int{"key": 200, "admin": 200, "customer": 403, "somebody": 401, "": 401} {
			got, _, err := b.try("GET", "/charges", token, "", "")
			require.NoError(t, err)
			require.Equal(t, want, got, token)
		}
		got, _, err := b.try("POST", "/charges", "admin", "k", body("tok_visa"))
		require.NoError(t, err)
		require.Equal(t, 401, got)

		page := b.do(200, "GET", "/charges?limit=2", "", "")
		require.Len(t, page["items"], 2)
		one := page["items"].([]any)[0].(map[string]any)
		for _, name := range []string{"id", "reference", "amount", "status", "idempotency_key", "created_at"} {
			require.Contains(t, one, name)
		}
		require.Len(t, one, 6)
		rest := b.do(200, "GET", "/charges?limit=2&cursor="+page["next_cursor"].(string), "", "")
		require.Len(t, rest["items"], 1)
		require.Nil(t, rest["next_cursor"])
		b.do(400, "GET", "/charges?limit=0", "", "")
	})
}

func TestWebhooksAreSignedAndSentAgain(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		var mu sync.Mutex
		heard := map[string]int{}
		var bad int
		shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			var n struct {
				ID   string `json:"id"`
				Type string `json:"type"`
			}
			mu.Lock()
			defer mu.Unlock()
			if json.Unmarshal(raw, &n) != nil || len(r.Header.Get("Sandbox-Signature")) < 64 {
				bad++
			}
			if heard[n.ID+n.Type]++; heard[n.ID+n.Type] == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(shop.Close)
		b := setup(t, db, func(d *sandbox.Deps) { d.WebhookURL, d.WebhookSecret = shop.URL, "whsec" })
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- b.box.Tasks()[0].Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		c := b.do(201, "POST", "/charges", id.V7(), body("tok_visa"))
		b.do(200, "POST", "/charges/"+c["id"].(string)+"/void", id.V7(), `{}`)
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			twice := 0
			for _, n := range heard {
				if n >= 2 {
					twice++
				}
			}
			return twice >= 2 && bad == 0
		}, 2*time.Minute, 20*time.Millisecond)
	})
}
