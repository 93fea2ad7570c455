package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/web/webtest"
)

// Profiles are an admin's, and only where they are asked for. None shows how the
// program was started: secrets may be among its flags.
func TestProfilesNeedASetting(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s := &server{shop: &shop{metrics: prometheus.NewRegistry()}, health: health.New(), admin: requireAdmin(webtest.Tokens{}.Verify)}
		s.cfg.Ops.Profiling = config.Switch(on)
		ops := s.opsHandler()
		ask := func(profile, token string) *httptest.ResponseRecorder {
			answer, r := httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/debug/pprof/"+profile, nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			ops.ServeHTTP(answer, r)
			return answer
		}
		if !on {
			require.Equal(t, http.StatusNotFound, ask("heap", "admin").Code)
			continue
		}
		heap := ask("heap?debug=1", "admin")
		require.Equal(t, http.StatusOK, heap.Code)
		require.Contains(t, heap.Body.String(), "heap profile")
		for _, profile := range []string{"", "heap", "profile?seconds=1", "symbol", "trace?seconds=1"} {
			refused := ask(profile, "")
			require.Equal(t, http.StatusUnauthorized, refused.Code, profile)
			require.Contains(t, refused.Body.String(), "an admin's token", profile)
			require.Equal(t, http.StatusForbidden, ask(profile, "staff").Code, profile)
		}
		require.Equal(t, http.StatusNotFound, ask("cmdline", "admin").Code)
	}
	require.False(t, bool(config.Defaults().Ops.Profiling))
}
