package shoptest

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Metric adds up the samples of a metric whose line has all of these parts, such
// as `saga="orders.checkout"`. It is 0 where there are none yet.
func (s *Server) Metric(t *testing.T, name string, parts ...string) float64 {
	t.Helper()
	a, err := NewClient(s.Ops).Try(t.Context(), http.MethodGet, "//metrics", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, a.Raw)
	sum := 0.0
	for lines := bufio.NewScanner(strings.NewReader(a.Raw)); lines.Scan(); {
		line := lines.Text()
		rest, found := strings.CutPrefix(line, name)
		if !found || !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, " ") || !hasAll(rest, parts) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		require.NoError(t, err, line)
		sum += value
	}
	return sum
}

func hasAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
