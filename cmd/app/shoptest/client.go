package shoptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Object is a JSON object.
type Object = map[string]any

// Client speaks to one server as one user, or as nobody.
type Client struct {
	base    string
	headers map[string]string
	http    *http.Client
	session *session // nil without a log-in
}

// Anyone is a client without a token.
func (s *Server) Anyone() Client { return NewClient(s.Shop) }

// NewClient is a client of the server at base, with connections of its own.
func NewClient(base string) Client {
	// Connections of its own: nothing is sent twice or kept from a server that was
	// killed. They close sooner than a shop closes them: what is sent meanwhile is lost.
	return Client{base: base, http: connections(time.Second)}
}

// Staying is the same user with connections of its own that are kept for a minute when
// they rest, as browsers keep theirs. The shop keeps them longer, if it is not killed.
func (c Client) Staying() Client {
	c.http = connections(time.Minute)
	return c
}

func connections(rest time.Duration) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: rest}, Timeout: Patience}
}

// With is the same client with one more header.
func (c Client) With(name, value string) Client {
	headers := map[string]string{name: value}
	for k, v := range c.headers {
		if k != name {
			headers[k] = v
		}
	}
	c.headers = headers
	if name == "Authorization" {
		c.session = nil
	}
	return c
}

// Sends is what the client sends in a header; "" where it does not.
func (c Client) Sends(name string) string {
	if name == "Authorization" && c.session != nil {
		return "Bearer " + c.session.now()
	}
	return c.headers[name]
}

// At is the same user at another server.
func (c Client) At(base string) Client {
	c.base = base
	return c
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Raw    string
	JSON   any  // nil where the body is not JSON
	Closes bool // the server asked to close the connection
	Again  bool // it was asked before, and the shop said "later": of a keyed request, this may be a replay
}

// Try sends a request below /api/v1, or at the root where the path starts with
// "//". An error means that nobody knows what became of it. Whoever is logged in
// logs in again when the token has expired, as a person would: what was refused for
// that had no effect.
func (c Client) Try(ctx context.Context, method, path string, body any) (Answer, error) {
	if c.session == nil {
		return c.try(ctx, method, path, body)
	}
	token := c.session.now()
	a, err := c.bearing(token).try(ctx, method, path, body)
	if err != nil || !expired(a) {
		return a, err
	}
	if token, err = c.session.renew(ctx, c, token); err != nil {
		return Answer{}, err
	}
	return c.bearing(token).try(ctx, method, path, body)
}

func (c Client) try(ctx context.Context, method, path string, body any) (Answer, error) {
	url := c.base + "/api/v1" + path
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		url = c.base + "/" + rest
	}
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return Answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.GetBody = nil // the transport must not repeat what we do not know
	}
	for k, v := range c.headers {
		req.Header.Set(k, v)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: res.StatusCode, Header: res.Header, Raw: string(raw), Closes: res.Close}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		err = json.Unmarshal(raw, &a.JSON)
	}
	return a, err
}

// Do is Try where an answer must come, with this status. "Later" is no answer yet: a
// machine that stood still for some seconds is no failure. What may be sent twice is
// asked again, as a client would.
func (c Client) Do(t *testing.T, status int, method, path string, body any) Answer {
	t.Helper()
	a := c.Ask(t, method, path, body, func(a Answer) bool { return a.Status == status })
	require.Equal(t, status, a.Status, "%s %s: %s", method, path, a.Raw)
	return a
}

// Ask gives the answer that is wanted, or the first one that asking again does not
// change. A shop that says "later" for as long as a test is patient has said that.
func (c Client) Ask(t *testing.T, method, path string, body any, wanted func(Answer) bool) Answer {
	t.Helper()
	for began, again := time.Now(), false; ; again = true {
		a, err := c.Try(t.Context(), method, path, body)
		require.NoError(t, err)
		a.Again = again
		if wanted(a) || !Later(a) || !c.mayRepeat(method) || time.Since(began) > Patience {
			return a
		}
		Pause(t, 50*time.Millisecond)
	}
}

// mayRepeat tells whether a request has the same effect when it is sent twice.
func (c Client) mayRepeat(method string) bool {
	return method != http.MethodPost && method != http.MethodPatch || c.headers["Idempotency-Key"] != ""
}

// Later tells whether an answer says that the request is to be sent again, or that
// nobody knows yet what became of it. A card that could not be charged is over: what
// was sent with its key has come to nothing.
func Later(a Answer) bool {
	return a.Text("code") != "payment.unavailable" && a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" ||
		a.Status == http.StatusGatewayTimeout ||
		a.Status == http.StatusConflict && a.Text("code") == "idempotency_key.in_flight"
}

// Get is Do for a GET that must be answered with 200. It asks again after 503
// and 504: the read may have met a connection that a fault of the test had killed, or
// a process that it had stopped.
func (c Client) Get(t *testing.T, path string) (a Answer) {
	t.Helper()
	Until(t, "GET "+path+" is served", func() bool {
		var err error
		a, err = c.Try(t.Context(), http.MethodGet, path, nil)
		require.NoError(t, err)
		return a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout
	})
	require.Equal(t, http.StatusOK, a.Status, "GET %s: %s", path, a.Raw)
	return a
}

// Refused is Do where the answer must be a problem with this code.
func (c Client) Refused(t *testing.T, status int, code, method, path string, body any) Answer {
	t.Helper()
	a := c.Ask(t, method, path, body, func(a Answer) bool { return a.Status == status && a.Text("code") == code })
	require.Equal(t, status, a.Status, "%s %s: %s", method, path, a.Raw)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), a.Raw)
	require.Equal(t, code, a.Text("code"), a.Raw)
	require.NotEmpty(t, a.Text("trace_id"), a.Raw)
	return a
}

// At gives the value at a dotted path: At("items.0.sku"). nil where there is none.
func (a Answer) At(path string) any {
	v := a.JSON
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case Object:
			v = in[key]
		case []any:
			var i int
			if _, err := fmt.Sscanf(key, "%d", &i); err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// Text gives the text at a dotted path; "" where there is none.
func (a Answer) Text(path string) string {
	s, _ := a.At(path).(string)
	return s
}

// Number gives the number at a dotted path, which must be there.
func (a Answer) Number(t *testing.T, path string) int64 {
	t.Helper()
	n, ok := a.At(path).(float64)
	require.True(t, ok, "no number at %s of %s", path, a.Raw)
	return int64(n)
}

// Until repeats ask until it says that it is done. It asks on the test's own
// goroutine, so that ask may end the test.
func Until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	until(t, 50*time.Millisecond, what, ask)
}

// Often is Until for what passes quickly.
func Often(t *testing.T, what string, ask func() bool) {
	t.Helper()
	until(t, 2*time.Millisecond, what, ask)
}

// Over tells whether done is closed.
func Over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func until(t *testing.T, pause time.Duration, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !ask(); {
		require.False(t, time.Now().After(deadline), "waited too long until %s", what)
		Pause(t, pause)
	}
}

// Pause waits before something is asked again.
func Pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
