package sandbox_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const anyCharge = `{"reference":"o","amount":{"amount":100,"currency":"USD"},"token":"tok_visa"}`

func (b *bundle) sicken(body string) {
	b.t.Helper()
	got, _, err := b.try(http.MethodPut, "/sickness", "admin", "", body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, got)
}

func (b *bundle) attempts() float64 {
	b.t.Helper()
	_, out, err := b.try(http.MethodGet, "/sickness", "admin", "", "")
	require.NoError(b.t, err)
	return out["attempts_total"].(float64)
}

func TestSicknessIsSwitchedByAdminsAndCounted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for token, want := range map[string]int{"key": http.StatusUnauthorized, "customer": http.StatusForbidden} {
			got, _, err := b.try(http.MethodPut, "/sickness", token, "", `{"fail_percent":100}`)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		for _, bad := range []string{`{"fail_percent":101}`, `{"hang_seconds":-1}`, `{"hang_seconds":301}`, `{"mood":1}`, `nothing`} {
			got, _, err := b.try(http.MethodPut, "/sickness", "admin", "", bad)
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, got, bad)
		}
		b.do(http.StatusCreated, http.MethodPost, "/charges", "well", anyCharge)
		b.sicken(`{"fail_percent":100}`)
		b.do(http.StatusServiceUnavailable, http.MethodPost, "/charges", "sick", anyCharge)
		b.do(http.StatusServiceUnavailable, http.MethodGet, "/charges?reference=o", "", "")
		got, ledger, err := b.try(http.MethodGet, "/charges?reference=o", "admin", "", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, got, "auditors are always served")
		require.Len(t, ledger["items"], 1, "what failed had no effect")
		b.sicken(`{}`)
		b.do(http.StatusOK, http.MethodGet, "/charges?reference=o", "", "")
		require.InDelta(t, 4, b.attempts(), 0)
	})
}

func TestHangingEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.sicken(`{"hang_seconds":300}`)
		impatient, leave := context.WithCancel(t.Context())
		defer leave()
		req, err := http.NewRequestWithContext(impatient, http.MethodGet, b.url+"/charges", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer key")
		left := make(chan error, 1)
		go func() {
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = res.Body.Close()
			}
			left <- err
		}()
		require.Eventually(t, func() bool { return b.attempts() == 1 }, 2*time.Minute, 5*time.Millisecond)
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		b.sicken(`{"hang_seconds":1}`)
		_, _, err = b.try(http.MethodPost, "/charges", "key", "k", anyCharge)
		require.Error(t, err, "the connection is closed without an answer")
		b.sicken(`{}`)
		require.InDelta(t, 2, b.attempts(), 0)
		require.Empty(t, b.do(http.StatusOK, http.MethodGet, "/charges", "", "")["items"])
	})
}
