package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
)

func do(h http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRequestIDsAndTraces(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("t")
	s := web.New(web.Config{Telemetry: web.Telemetry{Tracer: tracer}})
	routes(s.Router("/api/v1"))
	w := do(s.Handler(), "/api/v1/things/1", func(r *http.Request) {
		r.Header.Set("X-Request-Id", "abc-1")
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	})
	require.Equal(t, "abc-1", w.Header().Get("X-Request-Id"))
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", w.Header().Get("X-Trace-Id"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	require.Equal(t, "GET /api/v1/things/{id}", spans.Ended()[0].Name())

	w = do(s.Handler(), "/nowhere", func(r *http.Request) { r.Header.Set("X-Request-Id", "evil\nid") })
	require.Len(t, w.Header().Get("X-Request-Id"), 36)
	require.Len(t, w.Header().Get("X-Trace-Id"), 32)
}

func TestTraceIDWithoutTracing(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{})
	require.Len(t, do(s.Handler(), "/x", nil).Header().Get("X-Trace-Id"), 32)
}

func TestLogAndMetrics(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	reg := prometheus.NewRegistry()
	cfg := web.Config{Verifier: webtest.Tokens{}, Telemetry: web.Telemetry{Logger: slog.New(slog.NewJSONHandler(&buf, nil)), Registerer: reg}}
	s := web.New(cfg)
	require.NoError(t, web.New(cfg).Err(), "two servers may share a registry")
	routes(s.Router("/api/v1"))
	do(s.Handler(), "/api/v1/things/secret?token=hush", func(r *http.Request) { r.Header.Set("Authorization", "Bearer user:u1") })
	require.Contains(t, buf.String(), `"status":400`, "the parameter is unknown")
	buf.Reset()
	do(s.Handler(), "/api/v1/things/secret", func(r *http.Request) { r.Header.Set("Authorization", "Bearer user:u1") })
	var entry map[string]any
	require.NoError(t, json.Unmarshal(buf.Bytes(), &entry))
	require.Equal(t, "/api/v1/things/{id}", entry["route"])
	require.Equal(t, "u1", entry["subject"])
	require.Contains(t, entry["error"], "pq: relation", "the cause is logged")
	require.NotContains(t, buf.String(), "hush")
	require.NotContains(t, buf.String(), "user:u1", "the token")

	families, err := reg.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	require.Equal(t, []string{"banyan_gate_in_flight", "banyan_gate_queued", "http_request_duration_seconds", "http_requests_in_flight", "http_requests_total"}, names)
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"1.2.3.4:5", "9.9.9.9", "1.2.3.4"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "9.9.9.9", "9.9.9.9"},
		{"10.0.0.1:5", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"},
		{"10.0.0.1:5", "6.6.6.6, rubbish", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:5", "9.9.9.9", "9.9.9.9"},
	} {
		s := web.New(web.Config{TrustedProxies: trusted})
		s.Mount("/ip", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(web.ClientIP(r.Context())))
		}), web.Public)
		w := do(s.Handler(), "/ip", func(r *http.Request) {
			r.RemoteAddr = c.remote
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
		})
		require.Equal(t, c.want, w.Body.String(), c)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Verifier: webtest.Tokens{}, RateLimit: web.RateLimit{PerSecond: 0.1, Burst: 2}})
	routes(s.Router("/api/v1"))
	ask := func(ip, token string) *httptest.ResponseRecorder {
		return do(s.Handler(), "/api/v1/things/1", func(r *http.Request) {
			r.RemoteAddr = ip + ":1"
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
		})
	}
	w := ask("1.1.1.1", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "2", w.Header().Get("RateLimit-Limit"))
	require.Equal(t, "1", w.Header().Get("RateLimit-Remaining"))
	require.NotEmpty(t, w.Header().Get("RateLimit-Reset"))
	require.Equal(t, 401, ask("1.1.1.1", "forged").Code, "counts against the address")
	w = ask("1.1.1.1", "")
	require.Equal(t, 429, w.Code)
	require.Contains(t, w.Body.String(), "rate_limit.exceeded")
	require.NotEqual(t, "0", w.Header().Get("Retry-After"))
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Equal(t, 429, ask("1.1.1.1", "forged").Code)
	require.Equal(t, 200, ask("1.1.1.1", "user:u1").Code, "a user has a bucket of their own")
	require.Equal(t, 200, ask("2.2.2.2", "").Code)
}

// Accounts cost nothing: with all that one address makes, it gets ten times the limit of
// one client, and no more.
func TestRateLimitOfManyUsersOfOneAddress(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Verifier: webtest.Tokens{}, RateLimit: web.RateLimit{PerSecond: 0.1, Burst: 2}})
	routes(s.Router("/api/v1"))
	ask := func(ip, user string) *httptest.ResponseRecorder {
		return do(s.Handler(), "/api/v1/things/1", func(r *http.Request) {
			r.RemoteAddr = ip + ":1"
			r.Header.Set("Authorization", "Bearer user:"+user)
		})
	}
	for n := range 20 {
		require.Equal(t, 200, ask("1.1.1.1", fmt.Sprint(n)).Code)
	}
	w := ask("1.1.1.1", "one more")
	require.Equal(t, 429, w.Code)
	require.Contains(t, w.Body.String(), "rate_limit.exceeded")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Equal(t, "0", w.Header().Get("RateLimit-Remaining"), "the user's own bucket has some left, and they help nobody")
	require.Equal(t, w.Header().Get("Retry-After"), w.Header().Get("RateLimit-Reset"))
	require.Equal(t, 200, ask("2.2.2.2", "one more").Code)
	require.Equal(t, 200, do(s.Handler(), "/api/v1/things/1", func(r *http.Request) { r.RemoteAddr = "1.1.1.1:1" }).Code, "who has no token has a limit of their own")
}

func TestServeAndShutDown(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Addr: "127.0.0.1:0"})
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Mount("/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = w.Write([]byte("done"))
	}), web.Public)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Task().Run(ctx) }()
	<-s.Listening()
	status := make(chan int, 1)
	go func() {
		res, err := http.Get("http://" + s.Addr().String() + "/slow")
		if err != nil {
			status <- 0
			return
		}
		_ = res.Body.Close()
		status <- res.StatusCode
	}()
	<-entered
	cancel()
	require.Never(t, func() bool { return len(ended) > 0 }, 50*time.Millisecond, 5*time.Millisecond, "it waits for the request")
	close(leave)
	require.Equal(t, 200, <-status)
	require.NoError(t, <-ended)
}

// Whoever is answered while the server drains is told to close the connection, also who
// asked before: the next request on it may find nobody.
func TestAnswersWhileDraining(t *testing.T) {
	t.Parallel()
	s := web.New(web.Config{Addr: "127.0.0.1:0", Drain: time.Second})
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Mount("/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = w.Write([]byte("done"))
	}), web.Public)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Task().Run(ctx) }()
	<-s.Listening()
	closes := func(path string) (bool, error) {
		res, err := http.Get("http://" + s.Addr().String() + path)
		if err != nil {
			return false, err
		}
		return res.Close, res.Body.Close()
	}
	before, err := closes("/")
	require.NoError(t, err)
	require.False(t, before)
	told := make(chan bool, 1)
	go func() {
		closed, err := closes("/slow")
		told <- err == nil && closed
	}()
	<-entered
	cancel()
	require.Eventually(t, func() bool {
		closed, err := closes("/")
		return closed || err != nil // the drain is over, on a slow machine
	}, patience, time.Millisecond)
	close(leave)
	require.True(t, <-told, "the request under way was not told")
	require.NoError(t, <-ended)
}

// The time in which a client sends its body is its own: the handler has all of the deadline.
func TestASlowBodyTakesNoTimeFromItsHandler(t *testing.T) {
	t.Parallel()
	const deadline = time.Second
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Access: web.Public},
			func(ctx context.Context, _ bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), ctx.Err() })
	}, func(c *web.Config) { c.Deadline = deadline })
	for _, spaces := range []int{0, 100 << 10} {
		slow := drip(t, s, strings.Repeat(" ", spaces)+`{"sku":"a",`)
		longer, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		<-longer.Done()
		require.Equal(t, http.StatusOK, slow.end(`"quantity":1}`), spaces)
	}
}

// Who takes too long to send a body is told so.
func TestBodiesThatComeTooSlowly(t *testing.T) {
	t.Parallel()
	// It counts from the start of the connection. What was sent and is not read by then
	// would end it before the answer is here.
	s := web.New(web.Config{Addr: "127.0.0.1:0", Read: 2 * time.Second})
	web.Handle(s.Router("/api/v1"), web.Route{Method: http.MethodPost, Path: "/buy", Access: web.Public},
		func(context.Context, bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
	addr := serving(t, s)
	var slow []net.Conn
	for _, spaces := range []int{0, 100 << 10} {
		c := dial(t, addr)
		_, err := fmt.Fprintf(c, "POST /api/v1/buy HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n{%s", strings.Repeat(" ", spaces))
		require.NoError(t, err)
		slow = append(slow, c)
	}
	for _, c := range slow {
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 408 Request Timeout\r\n")
		require.Contains(t, string(answer), `"code":"body.too_slow"`)
	}
}

func TestDeadlineIsInTheContext(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/wait", Access: web.Public},
			func(ctx context.Context, _ struct{}) (web.Reply[text], error) {
				<-ctx.Done()
				return web.Reply[text]{}, ctx.Err()
			})
	}, func(c *web.Config) { c.Deadline = 10 * time.Millisecond })
	s.Do("GET", "/api/v1/wait", nil).RequireCode(504, "deadline_exceeded")
}
