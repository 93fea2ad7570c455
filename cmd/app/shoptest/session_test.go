package shoptest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shop that lets the first token expire sees one log-in and the request again.
func TestClientLogsInAgain(t *testing.T) {
	t.Parallel()
	var logIns, served atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/v1/sessions":
			logIns.Add(1)
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(Object{"access_token": "second"})
		case r.Header.Get("Authorization") == "Bearer second":
			served.Add(1)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(Object{"detail": "the access token has expired: refresh it"})
		}
	}))
	t.Cleanup(shop.Close)
	c := NewClient(shop.URL)
	c.session = &session{token: "first"}
	for range 3 {
		require.Equal(t, http.StatusOK, c.With("X", "y").Do(t, http.StatusOK, http.MethodGet, "/cart", nil).Status)
	}
	require.EqualValues(t, 1, logIns.Load())
	require.EqualValues(t, 3, served.Load())
	require.Equal(t, "Bearer second", c.Sends("Authorization"))

	// What somebody says who they are is theirs to keep.
	c.With("Authorization", "Bearer first").Do(t, http.StatusUnauthorized, http.MethodGet, "/cart", nil)
	require.EqualValues(t, 1, logIns.Load())
}
