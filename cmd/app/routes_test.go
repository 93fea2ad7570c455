package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// update rewrites the golden files: BANYAN_TEST_UPDATE=1 go test ./cmd/app
var update = os.Getenv("BANYAN_TEST_UPDATE") != ""

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "make it with BANYAN_TEST_UPDATE=1 go test ./cmd/app")
	require.Equal(t, string(want), got)
}

// open makes a whole server on SQLite that does not run.
func open(t *testing.T) *server {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data.Dir = t.TempDir()
	log, err := telemetry.NewLogger(t.Output(), telemetry.LogOptions{Level: "warn", Format: "text"})
	require.NoError(t, err)
	opsAt, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = opsAt.Close() })
	shop, err := openShop(t.Context(), cfg, log, func(s *shop) { s.opsURL = "http://" + host.Reachable(opsAt.Addr()) })
	require.NoError(t, err)
	t.Cleanup(shop.close)
	s := &server{shop: shop, health: health.New(), opsAt: opsAt, stdout: t.Output()}
	require.NoError(t, s.prepare(telemetry.Build{Version: "test"}))
	return s
}

// The public keys are read from the database for whoever asks, so the rate limit
// counts who does.
func TestKeysAreLimited(t *testing.T) {
	t.Parallel()
	h := open(t).web.Handler()
	for path, limit := range map[string]string{"/.well-known/jwks.json": "100", "/health/live": ""} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, limit, w.Header().Get("RateLimit-Limit"), path)
	}
}

// Whoever opens the ops address is told what is there: what is told is there, and
// what is there for this shop only is told by it only.
func TestOpsAddressTellsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.opsHandler()
	ask := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	w := ask(http.MethodGet, "/")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	requireGolden(t, "ops.txt", w.Body.String())
	for line := range strings.Lines(w.Body.String()) {
		told := strings.Fields(line)
		require.NotContains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, ask(told[0], told[1]).Code, line)
	}
	require.Equal(t, http.StatusNotFound, ask(http.MethodGet, "/elsewhere").Code)
	s.psp = nil
	h = s.opsHandler()
	require.NotContains(t, ask(http.MethodGet, "/").Body.String(), "sandbox")
}

// The whole API, and who may use it, is on record: a change of either is seen
// in review.
func TestRoutesAreOnRecord(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, r := range open(t).web.Routes() {
		key := ""
		if r.Idempotent {
			key = "  Idempotency-Key"
		}
		fmt.Fprintf(&b, "%-7s %-40s %s%s\n", r.Method, r.Path, r.Access, key)
	}
	requireGolden(t, "routes.txt", b.String())
}

func TestEveryModuleIsWired(t *testing.T) {
	t.Parallel()
	s := open(t)
	require.Len(t, moduleNames(), 10)
	require.ElementsMatch(t, moduleNames(), strings.Split(shoptest.HalfOfTheShop+","+shoptest.OtherHalf, ","), "the split shop of the tests")
	rules := map[string]bool{}
	for _, c := range s.Checks {
		require.NotEmpty(t, c.Says)
		require.False(t, rules[c.Rule], "two checks of one name: %s", c.Rule)
		rules[c.Rule] = true
	}
	weights := 0
	for _, m := range modules {
		weights += m.weight
	}
	require.LessOrEqual(t, weights+sandboxWeight, 45, "two instances must fit into PostgreSQL's 100 connections")
	for _, c := range s.Bus.Consumers() {
		require.NotEmpty(t, c.Topics())
	}
	require.NotNil(t, s.Sagas)
}
