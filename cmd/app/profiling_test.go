package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/health"
)

// Profiles are an operator's, and only where they are asked for.
func TestProfilesNeedASetting(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s := &server{shop: &shop{metrics: prometheus.NewRegistry()}, health: health.New()}
		s.cfg.Ops.Profiling = config.Switch(on)
		answer := httptest.NewRecorder()
		s.opsHandler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/debug/pprof/heap?debug=1", nil))
		if on {
			require.Equal(t, http.StatusOK, answer.Code)
			require.Contains(t, answer.Body.String(), "heap profile")
		} else {
			require.Equal(t, http.StatusNotFound, answer.Code)
		}
	}
	require.False(t, bool(config.Defaults().Ops.Profiling))
}
