package shoptest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// What may be sent twice is sent until it is answered. What a shop says for good, and
// what may not be sent twice, is told as it is.
func TestClientAsksAgain(t *testing.T) {
	t.Parallel()
	later := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) },
		func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		problem(http.StatusConflict, "idempotency_key.in_flight"),
		problem(http.StatusConflict, "order.not_cancellable"),
	}
	forGood := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		problem(http.StatusServiceUnavailable, "payment.unavailable"),
		problem(http.StatusNotFound, "not_found"),
	}
	ask := func(says []func(w http.ResponseWriter), keyed bool, method string) (Answer, int64) {
		var asked atomic.Int64
		shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { says[asked.Add(1)-1](w) }))
		defer shop.Close()
		c := NewClient(shop.URL)
		if keyed {
			c = c.Keyed()
		}
		return c.Ask(t, method, "/", nil, func(Answer) bool { return false }), asked.Load()
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost} {
		a, asked := ask(later, method == http.MethodPost, method)
		require.Equal(t, "order.not_cancellable", a.Text("code"), method)
		require.EqualValues(t, len(later), asked, method)
		require.True(t, a.Again)
	}
	a, asked := ask(later, false, http.MethodPost)
	require.Equal(t, http.StatusGatewayTimeout, a.Status, "an effect may be had twice without a key")
	require.EqualValues(t, 1, asked)
	require.False(t, a.Again)
	for i := range forGood {
		_, asked := ask(forGood[i:], true, http.MethodPost)
		require.EqualValues(t, 1, asked)
	}
}

func problem(status int, code string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":"` + code + `"}`))
	}
}
