package e2e

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

type object = map[string]any

// client speaks to one server as one user, or as nobody.
type client struct {
	base    string
	headers map[string]string
	http    *http.Client
}

// anyone is a client without a token.
func (s *server) anyone() client { return newClient(s.shop) }

func newClient(base string) client {
	return client{base: base, http: &http.Client{
		// Connections of its own: nothing is sent twice or kept from a server that was killed.
		Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute},
		Timeout:   patience,
	}}
}

// with is the same client with one more header.
func (c client) with(name, value string) client {
	headers := map[string]string{name: value}
	for k, v := range c.headers {
		if k != name {
			headers[k] = v
		}
	}
	c.headers = headers
	return c
}

// at is the same user at another server.
func (c client) at(base string) client {
	c.base = base
	return c
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	json   any // nil where the body is not JSON
}

// try sends a request below /api/v1, or at the root where the path starts with
// "//". An error means that nobody knows what became of it.
func (c client) try(ctx context.Context, method, path string, body any) (answer, error) {
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
			return answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return answer{}, err
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
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		err = json.Unmarshal(raw, &a.json)
	}
	return a, err
}

// do is try where an answer must come, with this status.
func (c client) do(t *testing.T, status int, method, path string, body any) answer {
	t.Helper()
	a, err := c.try(t.Context(), method, path, body)
	require.NoError(t, err)
	require.Equal(t, status, a.status, "%s %s: %s", method, path, a.raw)
	return a
}

func (c client) get(t *testing.T, path string) answer {
	t.Helper()
	return c.do(t, http.StatusOK, http.MethodGet, path, nil)
}

// refused is do where the answer must be a problem with this code.
func (c client) refused(t *testing.T, status int, code, method, path string, body any) answer {
	t.Helper()
	a := c.do(t, status, method, path, body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.raw)
	require.Equal(t, code, a.text("code"), a.raw)
	require.NotEmpty(t, a.text("trace_id"), a.raw)
	return a
}

// at gives the value at a dotted path: at("items.0.sku"). nil where there is none.
func (a answer) at(path string) any {
	v := a.json
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case object:
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

// text gives the text at a dotted path; "" where there is none.
func (a answer) text(path string) string {
	s, _ := a.at(path).(string)
	return s
}

// number gives the number at a dotted path, which must be there.
func (a answer) number(t *testing.T, path string) int64 {
	t.Helper()
	n, ok := a.at(path).(float64)
	require.True(t, ok, "no number at %s of %s", path, a.raw)
	return int64(n)
}

// until repeats ask until it says that it is done. It asks on the test's own
// goroutine, so that ask may end the test.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ask(); {
		require.False(t, time.Now().After(deadline), "waited too long until %s", what)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}
