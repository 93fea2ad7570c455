package shoptest

import (
	"bufio"
	"fmt"
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
	a, err := s.scrape(t)
	require.NoError(t, err)
	return a.sum(t, name, parts...)
}

// scraped is what a server told of itself at one moment.
type scraped string

func (s *Server) scrape(t *testing.T) (scraped, error) {
	t.Helper()
	c := NewClient(s.Ops)
	defer c.http.CloseIdleConnections() // who asks often would use up what the listener takes
	a, err := c.Try(t.Context(), http.MethodGet, "//metrics", nil)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("GET /metrics: %d %s", a.Status, a.Raw)
	}
	return scraped(a.Raw), err
}

// sum adds up the samples of a metric whose labels have all parts.
func (a scraped) sum(t *testing.T, name string, parts ...string) float64 {
	t.Helper()
	sum := 0.0
	for lines := bufio.NewScanner(strings.NewReader(string(a))); lines.Scan(); {
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
