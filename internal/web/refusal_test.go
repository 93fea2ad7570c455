package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
)

const patience = 2 * time.Minute

// listening runs a server with /plain, which answers as Go's library refuses.
func listening(t *testing.T, cfg web.Config) string {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s := web.New(cfg)
	s.Mount("/plain", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "as it is")
	}), web.Public)
	return serving(t, s)
}

// serving runs a server, and gives its address.
func serving(t *testing.T, s *web.Server) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Task().Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	<-s.Listening()
	return s.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// What Go's library refuses by itself is a problem document as well.
func TestUnreadableRequests(t *testing.T) {
	t.Parallel()
	addr := listening(t, web.Config{})
	for name, c := range map[string]struct{ send, status, says string }{
		"no request":   {"hello\r\n\r\n", "400 Bad Request", `"code":"malformed"`},
		"no host":      {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", `"detail":"the request cannot be read: missing required Host header"`},
		"long headers": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", "431 Request Header Fields Too Large", `"code":"headers.too_large"`},
		"coding":       {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented", `"code":"coding.unsupported"`},
		"protocol":     {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported", `"code":"protocol.unsupported"`},
	} {
		conn := dial(t, addr)
		_, err := io.WriteString(conn, c.send)
		require.NoError(t, err, name)
		raw, err := io.ReadAll(conn)
		require.NoError(t, err, name)
		head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		require.True(t, strings.HasPrefix(head, "HTTP/1.1 "+c.status+"\r\n"), "%s: %s", name, head)
		require.Contains(t, head, "\r\nContent-Type: application/problem+json\r\n", name)
		require.Contains(t, head, fmt.Sprintf("\r\nContent-Length: %d\r\n", len(body)), name)
		require.Contains(t, body, c.says, name)
		require.Regexp(t, `"trace_id":"[0-9a-f]{32}"`, body)
	}
	// What a handler says in the same words stays as it is.
	conn := dial(t, addr)
	_, err := io.WriteString(conn, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	raw, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(raw), "as it is")
}

// One connection too many is told so, and those that are open go on.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := listening(t, web.Config{Connections: 3, Telemetry: web.Telemetry{Registerer: reg}})
	const served, refused = "HTTP/1.1 404", "HTTP/1.1 503"
	open := []net.Conn{dial(t, addr), dial(t, addr), dial(t, addr)}
	for _, c := range open {
		require.Equal(t, served, statusLine(c))
	}
	for range 5 {
		late := dial(t, addr)
		require.Equal(t, refused, statusLine(late))
		rest, err := io.ReadAll(late)
		require.NoError(t, err)
		require.Contains(t, string(rest), "\r\nRetry-After: 1\r\n")
		require.Contains(t, string(rest), `"code":"connections.exhausted"`)
	}
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "http_connections_refused_total" {
			require.EqualValues(t, 5, f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	require.NoError(t, open[0].Close())
	require.Eventually(t, func() bool { return statusLine(dial(t, addr)) == served }, patience, 20*time.Millisecond, "a place is free again")
}

// A server of another kind is limited too.
func TestOtherListenersAreLimited(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: patience}
	go func() { _ = s.Serve(web.Limit(l, 2)) }()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	addr := l.Addr().String()
	first, second := dial(t, addr), dial(t, addr)
	require.Equal(t, "HTTP/1.1 404", statusLine(first))
	require.Equal(t, "HTTP/1.1 404", statusLine(second))
	require.Equal(t, "HTTP/1.1 503", statusLine(dial(t, addr)))
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return statusLine(dial(t, addr)) == "HTTP/1.1 404" }, patience, 20*time.Millisecond, "a place is free again")
}

// statusLine asks for what is not there and gives the beginning of the answer, or
// why there is none.
func statusLine(c net.Conn) string {
	if _, err := io.WriteString(c, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err.Error()
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil {
		return err.Error()
	}
	return string(answer)
}
