// Package webtest runs routes behind a real HTTP server for tests, with every
// answer held against the OpenAPI document.
//
// Tokens stand for principals without any cryptography: "user:<id>" is a
// customer with that id, "staff" and "admin" are those roles. Anything else is refused.
package webtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
)

// Server is a running server with routes under /api/v1.
type Server struct {
	t   testing.TB
	Web *web.Server
	URL string
}

// Option changes the configuration before the server is made.
type Option func(*web.Config)

// New starts a server with the routes that register adds to the router of
// /api/v1. It stops with the test.
func New(t testing.TB, register func(*web.Router), opts ...Option) *Server {
	t.Helper()
	cfg := web.Config{
		RateLimit:         web.RateLimit{Off: true},
		Verifier:          Tokens{},
		ValidateResponses: true,
		Telemetry:         web.Telemetry{Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))},
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	s := web.New(cfg)
	register(s.Router("/api/v1"))
	require.NoError(t, s.Build())
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return &Server{t: t, Web: s, URL: srv.URL}
}

// Tokens is the fake verifier.
type Tokens struct{}

// Verify maps "user:<id>", "staff" and "admin". Code: Unauthenticated.
func (Tokens) Verify(_ context.Context, token string) (port.Principal, error) {
	if user, ok := strings.CutPrefix(token, "user:"); ok && user != "" {
		return port.Principal{Subject: user, Roles: []string{port.RoleCustomer}}, nil
	}
	if token == port.RoleStaff || token == port.RoleAdmin {
		return port.Principal{Subject: token, Roles: []string{token}}, nil
	}
	return port.Principal{}, fault.Unauthenticated.Errorf("the access token is not good")
}

// Header is a request header: Header{"Idempotency-Key": "k1"}.
type Header map[string]string

// As is the header that logs in with a token of Tokens.
func As(token string) Header { return Header{"Authorization": "Bearer " + token} }

// With returns a copy with one more header.
func (h Header) With(key, value string) Header {
	c := Header{key: value}
	for k, v := range h {
		if k != key {
			c[k] = v
		}
	}
	return c
}

// Response is what came back.
type Response struct {
	t      testing.TB
	Status int
	Header http.Header
	Raw    []byte
	JSON   any // nil where the body is not JSON; numbers are json.Number
}

// Do sends a request. path is below the server's root ("/api/v1/cart"). body is
// nil for none, a string or []byte to be sent as it is, or anything to be sent as
// JSON. Headers are merged, later ones win.
func (s *Server) Do(method, path string, body any, headers ...Header) Response {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(s.t, err)
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, reader)
	require.NoError(s.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		for k, v := range h {
			req.Header.Set(k, v)
		}
	}
	// Redirects are answers to be looked at, not followed.
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	r := Response{t: s.t, Status: res.StatusCode, Header: res.Header, Raw: raw}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		require.NoError(s.t, dec.Decode(&r.JSON), string(raw))
	}
	return r
}

// Require stops the test unless the status is as wanted; it shows the body.
func (r Response) Require(status int) Response {
	r.t.Helper()
	require.Equal(r.t, status, r.Status, "body: %s", r.Raw)
	return r
}

// RequireCode stops the test unless the answer is a problem with this status and code.
func (r Response) RequireCode(status int, code string) Response {
	r.t.Helper()
	r.Require(status)
	require.Equal(r.t, "application/problem+json", r.Header.Get("Content-Type"))
	require.Equal(r.t, code, r.Get("code"))
	return r
}

// Decode reads the body into v, a pointer. Unknown fields are an error.
func (r Response) Decode(v any) {
	r.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(r.Raw))
	dec.DisallowUnknownFields()
	require.NoError(r.t, dec.Decode(v), string(r.Raw))
}

// Get gives the value at a dotted path as text: Get("items.0.sku"). "" for null
// or nothing there.
func (r Response) Get(path string) string {
	r.t.Helper()
	v := r.JSON
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if _, err := fmt.Sscanf(key, "%d", &i); err != nil || i < 0 || i >= len(at) {
				return ""
			}
			v = at[i]
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case map[string]any, []any:
		raw, err := json.Marshal(v)
		require.NoError(r.t, err)
		return string(raw)
	default:
		return fmt.Sprint(v)
	}
}
