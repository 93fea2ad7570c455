package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Profile says where the shop's processor time went under a load.
type Profile struct {
	Load   string  `json:"load"`
	Layers []Layer `json:"layers"`
}

// Layer is a part of the program with its share of the time, 0 to 1.
type Layer struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
}

// layer is known by the beginning of the names of its functions.
type layer struct {
	name     string
	prefixes []string
}

const shopPath = "github.com/banyan-tree/banyan/"

// memory is asked first, of the whole stack: whoever allocates, it is the
// collector's work.
func memory() layer {
	return layer{"allocation and garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.mallocgc", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.(*mheap)"}}
}

// layers are asked of each frame, from the innermost outwards: what the system
// does is charged to who asked for it.
func layers() []layer {
	return []layer{
		{"SQLite (engine and driver)", []string{"modernc.org/"}},
		{"PostgreSQL driver (pgx)", []string{"github.com/jackc/"}},
		{"database/sql", []string{"database/sql"}},
		{"gorm", []string{"gorm.io/"}},
		{"HTTP client: the provider, webhooks", []string{"net/http.(*Transport", "net/http.(*persistConn", "net/http.(*Client", "net/http.(*http2"}},
		{"HTTP server", []string{"net/http.", "net/textproto", "github.com/labstack/", shopPath + "internal/web"}},
		{"JSON", []string{"encoding/json"}},
		{"cryptography", []string{"crypto/", "golang.org/x/crypto", "github.com/golang-jwt"}},
		{"logs, metrics, traces", []string{"log/slog", "github.com/prometheus/", "go.opentelemetry.io/", shopPath + "internal/telemetry"}},
		{"sagas", []string{shopPath + "internal/saga"}},
		{"events", []string{shopPath + "internal/event"}},
		{"idempotency", []string{shopPath + "internal/idempotency"}},
		{"calls between modules", []string{shopPath + "internal/port"}},
		{"transactions", []string{shopPath + "internal/database"}},
		{"modules", []string{shopPath + "modules/", shopPath + "cmd/", shopPath + "internal/money", shopPath + "internal/fault"}},
		{"profiling itself", []string{"runtime/pprof", "net/http/pprof"}},
	}
}

const scheduler = "Go's scheduler and timers"

// layerOf a stack, its innermost function first.
func layerOf(stack []string) string {
	starts := func(l layer, frame string) bool {
		return slices.ContainsFunc(l.prefixes, func(p string) bool { return strings.HasPrefix(frame, p) })
	}
	for _, frame := range stack {
		if starts(memory(), frame) {
			return memory().name
		}
	}
	known := layers()
	for _, frame := range stack {
		for _, l := range known {
			if starts(l, frame) {
				return l.name
			}
		}
	}
	return scheduler
}

// layersOf a profile, the largest first.
func layersOf(ctx context.Context, file string) ([]Layer, error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", file).Output() //nolint:gosec // a file of our own
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return shares(string(out))
}

// shares reads what "go tool pprof -traces" prints: blocks between dashed lines,
// the first line of a block with the time in front of the innermost function.
func shares(traces string) ([]Layer, error) {
	spent, total := map[string]time.Duration{}, time.Duration(0)
	var stack []string
	var weight time.Duration
	flush := func() {
		if len(stack) > 0 {
			spent[layerOf(stack)] += weight
			total += weight
		}
		stack = nil
	}
	inside := false
	lines := bufio.NewScanner(strings.NewReader(traces))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.HasPrefix(lines.Text(), "-----"):
			flush()
			inside = true
		case !inside || len(fields) == 0 || strings.HasSuffix(fields[0], ":"): // labels
		case len(stack) == 0:
			d, err := time.ParseDuration(fields[0])
			if err != nil || len(fields) < 2 {
				return nil, fmt.Errorf("read the traces of pprof: %q: %w", lines.Text(), err)
			}
			weight, stack = d, []string{fields[1]}
		default:
			stack = append(stack, fields[0])
		}
	}
	flush()
	var list []Layer
	for name, d := range spent {
		list = append(list, Layer{name, float64(d) / float64(total)})
	}
	slices.SortFunc(list, func(a, b Layer) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), strings.Compare(a.Name, b.Name))
	})
	return list, lines.Err()
}
