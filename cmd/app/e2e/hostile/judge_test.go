package hostile

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
)

// leaks are words that only the inside of the program knows. None of what we
// send contains one.
var leaks = regexp.MustCompile(`goroutine \d|\.go:\d|runtime error|nil pointer|panic|SQLSTATE|sqlite|SQL logic|pgx|gorm|syntax error|` +
	`no such (table|column)|constraint failed|modernc|duplicate key value|/tmp/|/root/|github\.com/|echo\.|idempotency_keys|refresh_tokens|login_attempts`)

// mostTold is how long an answer to a bad request may be, in bytes, besides the
// address that it repeats.
const mostTold = 16 << 10

// verdict judges one answer by the document; "" where it is as it must be.
func verdict(req request, res *http.Response, raw []byte) string {
	text, r := string(raw), req.route
	switch {
	case leaks.MatchString(text):
		return "the answer tells of the inside: " + leaks.FindString(text)
	case res.Header.Get("X-Request-Id") == "" || res.Header.Get("X-Trace-Id") == "":
		return "the answer has no id"
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		return "" // too much at once is a right answer
	case res.StatusCode == http.StatusGatewayTimeout:
		return "" // so is too late, where it is rare: see unavailable
	case res.StatusCode >= http.StatusInternalServerError:
		return "the fault is said to be ours"
	case req.refuse && res.StatusCode < http.StatusBadRequest:
		return "it was taken"
	case req.method == http.MethodOptions && res.StatusCode == http.StatusNoContent:
		return ""
	case res.StatusCode >= http.StatusBadRequest:
		return problem(req, res, raw)
	case r.op == nil:
		return "it has no route, and was answered"
	}
	return documented(r, res, raw, req.method)
}

// problem judges a refusal.
func problem(req request, res *http.Response, raw []byte) string {
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		return "the refusal is " + got
	}
	if res.StatusCode == http.StatusMethodNotAllowed && res.Header.Get("Allow") == "" {
		return "405 without Allow"
	}
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
		return "429 without Retry-After"
	}
	if res.StatusCode == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") == "" {
		return "401 without WWW-Authenticate"
	}
	if req.method == http.MethodHead {
		return ""
	}
	var p struct {
		Status  int
		Code    string
		TraceID string `json:"trace_id"`
		Errors  []struct{ Pointer string }
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "the refusal is no JSON"
	}
	switch {
	case p.Code == "" || p.TraceID == "" || p.TraceID != res.Header.Get("X-Trace-Id") || p.Status != res.StatusCode:
		return "the refusal has not all it needs"
	case len(raw) > mostTold+12*len(req.target):
		return fmt.Sprintf("%d bytes of refusal", len(raw))
	case req.route.op != nil && req.route.typed() && !slices.Contains(req.route.codes(), p.Code):
		return p.Code + " is not in the document"
	case req.want != 0 && !excused(res.StatusCode) && res.StatusCode != req.want:
		return "the status must be " + strconv.Itoa(req.want)
	}
	if req.pointer != "" && (res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnprocessableEntity) {
		if !slices.ContainsFunc(p.Errors, func(e struct{ Pointer string }) bool { return strings.HasPrefix(e.Pointer, req.pointer) }) {
			return "nothing points at " + req.pointer
		}
	}
	if req.route.problem != nil {
		return conforms(req.route.problem, raw)
	}
	return ""
}

// excused is a refusal that comes before anything else is looked at.
func excused(status int) bool {
	return slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, status)
}

// documented judges a good answer by the document.
func documented(r route, res *http.Response, raw []byte, method string) string {
	want := r.op.Responses.Value(strconv.Itoa(res.StatusCode))
	if want == nil {
		return "the status is not in the document"
	}
	media := want.Value.Content["application/json"]
	if media == nil || media.Schema == nil || method == http.MethodHead {
		return ""
	}
	return conforms(media.Schema, raw)
}

func conforms(schema *openapi3.SchemaRef, raw []byte) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return "the answer is no JSON"
	}
	if err := schema.Value.VisitJSON(value); err != nil {
		return "the answer breaks its schema: " + err.Error()
	}
	return ""
}

// tally counts what was sent and answered, and keeps what was wrong.
type tally struct {
	sent     atomic.Int64
	mu       sync.Mutex
	statuses map[int]int
	routes   map[string]bool
	wrong    []string
}

func newTally() *tally { return &tally{statuses: map[int]int{}, routes: map[string]bool{}} }

func (c *tally) note(as string, req request, res *http.Response, raw []byte, err error) {
	c.sent.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.routes[req.route.String()] = true
	complaint, status := "", 0
	if err != nil {
		complaint = "no answer: " + err.Error()
	} else {
		status = res.StatusCode
		c.statuses[status]++
		complaint = verdict(req, res, raw)
	}
	if complaint != "" {
		c.wrong = append(c.wrong, fmt.Sprintf("%s %s as %s, %s: %s (%d %s)", req.method, cut(req.target, 100), as, req.what, complaint, status, cut(string(raw), 400)))
	}
}

// unavailable tells how many answers only said that it was too much at once, or that
// it took too long.
func (c *tally) unavailable() int {
	return c.statuses[http.StatusServiceUnavailable] + c.statuses[http.StatusGatewayTimeout]
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

func readAll(res *http.Response) ([]byte, error) {
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}
