package hostile

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// memory is what the heap holds after a collection, in bytes: asking makes
// garbage until one has run.
func (w *world) memory(t *testing.T) int64 {
	t.Helper()
	for range 2 { // what the first one finds finalized, the second frees
		start := w.Metric(t, "go_gc_duration_seconds_count")
		shoptest.Until(t, "a collection has run", func() bool {
			w.Anyone().Get(t, "/products?limit=100")
			return w.Metric(t, "go_gc_duration_seconds_count") > start
		})
	}
	return int64(w.Metric(t, "go_memstats_heap_inuse_bytes"))
}

// well tells whether the shop is open, sells, and passes its audit.
func (w *world) well(t *testing.T) {
	t.Helper()
	w.Anyone().Get(t, "//health/ready")
	w.admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+shoptest.Staple, object{"on_hand": 100})
	w.admin.Do(t, http.StatusOK, http.MethodPut, "/prices/"+shoptest.Staple, object{"price": money(2400), "compare_at_price": nil})
	a := w.other.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", a.Text("status"), a.Raw)
	w.Audited(t)
	require.Zero(t, w.Log.Seen("panic"), w.Log)
}

// resident is what the process has of the system's memory, in bytes, as the system
// counts it: 0 where that is no Linux.
func (w *world) resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`).FindSubmatch(status)
	require.NotNil(t, found, "%s", status)
	kB, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kB << 10
}
