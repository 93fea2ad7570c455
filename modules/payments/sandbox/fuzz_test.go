package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// provider is a sandbox of a fuzzer, asked without a network.
type provider struct{ *sandbox.Sandbox }

func newProvider(f *testing.F) provider {
	f.Helper()
	cluster, err := database.Open(f.Context(), database.Config{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { _ = cluster.Close() })
	db, err := cluster.Module(f.Context(), "sandbox", 4)
	require.NoError(f, err)
	require.NoError(f, db.Migrate(f.Context(), sandbox.Migrations()...))
	box, err := sandbox.New(sandbox.Deps{
		DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), APIKey: "key",
		Slow:  func(context.Context) error { return nil },
		Admin: func(*http.Request) error { return nil },
	})
	require.NoError(f, err)
	return provider{box}
}

// told is what a provider answers: a charge, or why there is none.
type told struct {
	Status int    // of HTTP; 0: it closed the connection
	Raw    string // as it was sent
	Code   string // of a refusal
	Charge struct {
		ID, Reference, Status string
		Amount                money.Money
		Captured, Refunded    int64
	}
}

// ask sends a request as the merchant, or as an auditor where there is no key.
func (p provider) ask(t *testing.T, method, path, key string, body []byte) (a told) {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer key")
		r.Header.Set("Idempotency-Key", key)
	}
	defer func() {
		if hungUp := recover(); hungUp != nil {
			err, _ := hungUp.(error)
			if !errors.Is(err, http.ErrAbortHandler) {
				panic(hungUp)
			}
			a = told{}
		}
	}()
	p.ServeHTTP(w, r)
	a.Status, a.Raw = w.Code, w.Body.String()
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.Charge))
	var refusal struct{ Code string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &refusal))
	a.Code = refusal.Code
	return a
}

// under is how many charges the ledger has under a key.
func (p provider) under(t *testing.T, key string) int {
	t.Helper()
	var list struct{ Items []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(p.ask(t, http.MethodGet, "/charges?idempotency_key="+key, "", nil).Raw), &list))
	return len(list.Items)
}

// FuzzCharge: whatever is sent to make a charge, there is one that makes sense, and
// the same again makes no second one; or there is none, and a code says why.
func FuzzCharge(f *testing.F) {
	p := newProvider(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		key := id.V7()
		first := p.ask(t, http.MethodPost, "/charges", key, body)
		switch first.Status {
		case http.StatusCreated, 0:
			require.Equal(t, 1, p.under(t, key))
		case http.StatusInternalServerError: // of the cards that fail, one never and one for a while
			require.Equal(t, "internal", first.Code)
			require.Zero(t, p.under(t, key))
			return
		default:
			require.Equal(t, http.StatusBadRequest, first.Status, first.Raw)
			require.NotEmpty(t, first.Code)
			require.Zero(t, p.under(t, key))
			return
		}
		again := p.ask(t, http.MethodPost, "/charges", key, body)
		require.Equal(t, http.StatusCreated, again.Status, again.Raw)
		require.Equal(t, 1, p.under(t, key))
		if first.Status != 0 { // what was lost is told now
			require.Equal(t, first, again)
		}
		c := again.Charge
		require.NotEmpty(t, c.ID)
		require.True(t, c.Reference != "" && len(c.Reference) <= 255, "%q", c.Reference)
		require.Contains(t, []string{"authorised", "declined"}, c.Status)
		require.GreaterOrEqual(t, c.Amount.Amount, int64(0))
		require.Len(t, c.Amount.Currency, 3)
		require.Zero(t, c.Captured+c.Refunded)
	})
}

// FuzzAction: whatever is sent to capture, void or refund a charge of 10.00, no more
// than that is taken, nor given back than was taken, and once; what is refused changes
// nothing.
func FuzzAction(f *testing.F) {
	p := newProvider(f)
	kinds := []string{"capture", "void", "refund"}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		made := p.ask(t, http.MethodPost, "/charges", id.V7(), []byte(anyCharge))
		require.Equal(t, http.StatusCreated, made.Status, made.Raw)
		at := "/charges/" + made.Charge.ID
		what, key := kinds[int(kind)%len(kinds)], id.V7()
		if what == "refund" {
			made = p.ask(t, http.MethodPost, at+"/capture", id.V7(), []byte(`{"amount":{"amount":60,"currency":"USD"}}`))
			require.Equal(t, http.StatusOK, made.Status, made.Raw)
		}
		first := p.ask(t, http.MethodPost, at+"/"+what, key, body)
		again := p.ask(t, http.MethodPost, at+"/"+what, key, body)
		require.Equal(t, first, again)
		now := p.ask(t, http.MethodGet, at, "", nil)
		require.Equal(t, http.StatusOK, now.Status)
		if first.Status != http.StatusOK {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusConflict}, first.Status, first.Raw)
			require.NotEmpty(t, first.Code)
			require.Equal(t, made.Charge, now.Charge, "it was refused")
			return
		}
		require.Equal(t, first.Charge, now.Charge)
		c := now.Charge
		require.Equal(t, money.Of(100, "USD"), c.Amount)
		require.True(t, c.Refunded >= 0 && c.Captured >= c.Refunded && c.Captured <= 100, "%+v", c)
		require.Equal(t, map[string]string{"capture": "captured", "void": "voided", "refund": "refunded"}[what], c.Status)
	})
}

// FuzzSickness: whatever a provider is told about how to behave, it is within bounds,
// or the provider stays as it was.
func FuzzSickness(f *testing.F) {
	p := newProvider(f)
	type sickness struct {
		Fail int `json:"fail_percent"`
		Hang int `json:"hang_seconds"`
	}
	shown := func(t *testing.T, a told) (s sickness) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(a.Raw), &s))
		return s
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		well := p.ask(t, http.MethodPut, "/sickness", "", []byte(`{"fail_percent":7,"hang_seconds":8}`))
		require.Equal(t, http.StatusOK, well.Status)
		set := p.ask(t, http.MethodPut, "/sickness", "", body)
		now := shown(t, p.ask(t, http.MethodGet, "/sickness", "", nil))
		if set.Status != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, set.Status, set.Raw)
			require.Equal(t, "invalid_request", set.Code)
			require.Equal(t, sickness{7, 8}, now, "it was refused")
			return
		}
		require.Equal(t, shown(t, set), now)
		require.True(t, now.Fail >= 0 && now.Fail <= 100 && now.Hang >= 0 && now.Hang <= 300, "%+v", now)
	})
}
