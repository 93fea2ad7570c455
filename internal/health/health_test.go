package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
)

func get(t *testing.T, h http.Handler) (int, Report) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	var report Report
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
	return w.Code, report
}

func TestReady(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := New()
	r.now = func() time.Time { return now }
	var sick atomic.Bool
	r.Add(Check{Name: "database.orders", Run: func(context.Context) (string, error) {
		if sick.Load() {
			return "", fault.Unavailable.Errorf("connection refused")
		}
		return "sqlite", nil
	}})

	status, report := get(t, r.Ready())
	require.Equal(t, 503, status)
	require.Equal(t, Starting, report.Status)

	r.Started()
	status, report = get(t, r.Ready())
	require.Equal(t, 200, status)
	require.Equal(t, OK, report.Status)
	require.Equal(t, "sqlite", report.Checks["database.orders"].Detail)

	sick.Store(true)
	status, _ = get(t, r.Ready())
	require.Equal(t, 200, status, "within a second the last answer stands")
	now = now.Add(freshFor)
	status, report = get(t, r.Ready())
	require.Equal(t, 503, status)
	require.Equal(t, Failing, report.Status)
	require.Equal(t, "connection refused", report.Checks["database.orders"].Detail)

	status, _ = get(t, r.Live())
	require.Equal(t, 200, status)

	sick.Store(false)
	now = now.Add(freshFor)
	r.Drain()
	status, report = get(t, r.Ready())
	require.Equal(t, 503, status)
	require.Equal(t, Draining, report.Status)
}

func TestChecksRunTogetherAndAreGivenUp(t *testing.T) {
	t.Parallel()
	r := New()
	r.Started()
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	met := make(chan struct{})
	r.Add(
		Check{Name: "deaf", Timeout: 20 * time.Millisecond, Run: func(context.Context) (string, error) { <-never; return "", nil }},
		Check{Name: "wild", Run: func(context.Context) (string, error) { panic("ouch") }},
		// The two can only pass when they run at the same time.
		Check{Name: "a", Run: func(context.Context) (string, error) { met <- struct{}{}; return "", nil }},
		Check{Name: "b", Run: func(context.Context) (string, error) { <-met; return "", nil }},
	)
	report := r.Report(t.Context())
	require.Equal(t, Failing, report.Status)
	require.Equal(t, "no answer within 20ms", report.Checks["deaf"].Detail)
	require.Equal(t, "the check panicked: ouch", report.Checks["wild"].Detail)
	require.Equal(t, OK, report.Checks["a"].Status)
	require.Equal(t, OK, report.Checks["b"].Status)
}

func TestTwoChecksOfOneNamePanic(t *testing.T) {
	t.Parallel()
	r := New()
	c := Check{Name: "x", Run: func(context.Context) (string, error) { return "", nil }}
	require.Panics(t, func() { r.Add(c, c) })
}

// Ready is public: the cause of a fault, and an error that is none, may name hosts and users.
func TestReadyKeepsCausesToItself(t *testing.T) {
	t.Parallel()
	r := New()
	r.Add(Check{Name: "database.orders", Run: func(context.Context) (string, error) {
		err := fault.Unavailable.Wrap(errors.New("dial 10.0.0.5 as admin"), "the database cannot be reached")
		return "", fmt.Errorf("ping orders: %w", err)
	}}, Check{Name: "raw", Run: func(context.Context) (string, error) {
		return "", errors.New("connect to `user=shop database=shop`: password authentication failed")
	}}, Check{Name: "late", Run: func(context.Context) (string, error) {
		return "", fmt.Errorf("dial 10.0.0.5 as admin: %w", context.DeadlineExceeded)
	}})
	_, report := get(t, r.Ready())
	require.Equal(t, "the database cannot be reached", report.Checks["database.orders"].Detail)
	require.Equal(t, "something went wrong on our side", report.Checks["raw"].Detail)
	require.Equal(t, "the call took longer than its deadline", report.Checks["late"].Detail)
}
