package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
)

type bodyIn struct {
	Body line `body:""`
}

// A rush for one class of routes is turned away before anybody looks at what it
// sends, and leaves places for the others.
func TestAdmissionTurnsAwayByClass(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}, 1), make(chan struct{})
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Summary: "Buys.", Access: web.User, Idempotent: true},
			func(context.Context, bodyIn) (web.Reply[struct{}], error) {
				began <- struct{}{}
				<-end
				return web.OK(struct{}{}), nil
			})
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/look", Summary: "Looks.", Access: web.Public},
			func(context.Context, struct{}) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
	}, func(c *web.Config) {
		c.Admission = web.Admission{InFlight: 1, Queue: 1, Wait: 10 * time.Millisecond}
	})
	var first sync.WaitGroup
	release := sync.OnceFunc(func() { close(end); first.Wait() })
	defer release()
	first.Go(func() {
		s.Do(http.MethodPost, "/api/v1/buy", `{"sku":"a","quantity":1}`, webtest.As("user:u").With("Idempotency-Key", "k"))
	})
	<-began
	// Nobody looks at who asks, nor at what: there is no place.
	got := s.Do(http.MethodPost, "/api/v1/buy", `{`, webtest.As("nobody known"))
	require.Equal(t, http.StatusServiceUnavailable, got.Status)
	require.Contains(t, string(got.Raw), `"server.overloaded"`)
	require.Contains(t, []string{"1", "2", "3"}, got.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, s.Do(http.MethodGet, "/api/v1/look", nil).Status)
	release()
	require.Equal(t, http.StatusUnauthorized, s.Do(http.MethodPost, "/api/v1/buy", `{`, webtest.As("nobody known")).Status)
}

// Who sends a body slowly is at no work: others are let in meanwhile.
func TestSlowBodiesHoldNoPlace(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Summary: "Buys.", Access: web.Public},
			func(context.Context, bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
	}, onePlace)
	slow := []*dripping{drip(t, s, `{"sku":"a",`), drip(t, s, `{"sku":"b",`)}
	// One more is served for as long as the others are under way.
	s.Do(http.MethodPost, "/api/v1/buy", `{"sku":"c","quantity":1}`).Require(http.StatusOK)
	for _, d := range slow {
		require.Equal(t, http.StatusOK, d.end(`"quantity":1}`))
	}
}

// A large body is read in a place, after its sender is known; no more than a
// quarter of the places goes to such, so that others are served meanwhile.
func TestSlowLargeBodiesHoldFewPlaces(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Summary: "Buys.", Access: web.Public},
			func(context.Context, bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
	}, onePlace, func(c *web.Config) { c.Admission.InFlight = 4 })
	large := strings.Repeat(" ", 100<<10)
	slow := drip(t, s, large)
	s.Do(http.MethodPost, "/api/v1/buy", large+`{"sku":"b","quantity":1}`).RequireCode(http.StatusServiceUnavailable, "server.overloaded")
	s.Do(http.MethodPost, "/api/v1/buy", `{"sku":"c","quantity":1}`).Require(http.StatusOK)
	require.Equal(t, http.StatusOK, slow.end(`{"sku":"a","quantity":1}`))
	s.Do(http.MethodPost, "/api/v1/buy", large+`{"sku":"d","quantity":1}`).Require(http.StatusOK)
}

// Whoever is nobody's staff keeps no large body of the staff's waiting: it costs
// nothing to send one slowly, with or without an account.
func TestSlowLargeBodiesLeaveStaffTheirs(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil }
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Summary: "Buys.", Access: web.Public}, nothing)
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/pay", Summary: "Pays.", Access: web.User}, nothing)
		web.Handle(r, web.Route{Method: http.MethodPut, Path: "/goods", Summary: "Sells.", Access: web.Staff}, nothing)
		web.Handle(r, web.Route{Method: http.MethodPut, Path: "/rules", Summary: "Rules.", Access: web.Admin}, nothing)
	}, onePlace, func(c *web.Config) { c.Admission.InFlight = 4 })
	large := strings.Repeat(" ", 100<<10)
	body := large + `{"sku":"b","quantity":1}`
	slow := drip(t, s, large)
	s.Do(http.MethodPost, "/api/v1/pay", body, webtest.As("user:u")).RequireCode(http.StatusServiceUnavailable, "server.overloaded")
	s.Do(http.MethodPut, "/api/v1/goods", body, webtest.As("staff")).Require(http.StatusOK)
	s.Do(http.MethodPut, "/api/v1/rules", body, webtest.As("admin")).Require(http.StatusOK)
	require.Equal(t, http.StatusOK, slow.end(`{"sku":"a","quantity":1}`))
}

// Who does not take the answer is at no work either.
func TestSlowReadersHoldNoPlace(t *testing.T) {
	t.Parallel()
	much := strings.Repeat("much", 2<<20)
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/much", Summary: "Tells much.", Access: web.Public},
			func(context.Context, struct{}) (web.Reply[text], error) { return web.OK(text{much}), nil })
		web.Handle(r, web.Route{Method: http.MethodGet, Path: "/look", Summary: "Looks.", Access: web.Public},
			func(context.Context, struct{}) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
	}, onePlace)
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = slow.Close() }()
	require.NoError(t, slow.(*net.TCPConn).SetReadBuffer(4096))
	_, err = io.WriteString(slow, "GET /api/v1/much HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(slow, make([]byte, 1)) // it is being answered
	require.NoError(t, err)
	s.Do(http.MethodGet, "/api/v1/look", nil).Require(http.StatusOK)
}

// onePlace has room for one, and for one who waits a moment.
func onePlace(c *web.Config) {
	c.Admission = web.Admission{InFlight: 1, Queue: 1, Wait: 10 * time.Millisecond}
}

// dripping is a request of which a part has come.
type dripping struct {
	rest   *io.PipeWriter
	status chan int
}

// drip sends the start of a body to /buy, and comes back when it was read.
func drip(t *testing.T, s *webtest.Server, start string) *dripping {
	t.Helper()
	body, rest := io.Pipe()
	d := &dripping{rest: rest, status: make(chan int, 1)}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/buy", body)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		w := httptest.NewRecorder()
		s.Web.Handler().ServeHTTP(w, r)
		_ = body.Close()
		d.status <- w.Code
	}()
	_, err := io.WriteString(rest, start)
	require.NoError(t, err)
	return d
}

// end sends the rest, and gives the status of the answer.
func (d *dripping) end(rest string) int {
	_, _ = io.WriteString(d.rest, rest) // who was refused is not read
	_ = d.rest.Close()
	return <-d.status
}

// While more was taken on than can be done soon, what only leads to more of it is
// refused, and nothing else. Whoever was told to come again is no line in the log: there
// are hundreds of them each second.
func TestPreludesAreRefusedUnderPressure(t *testing.T) {
	t.Parallel()
	var pressed atomic.Bool
	var log bytes.Buffer
	nothing := func(context.Context, bodyIn) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil }
	s := webtest.New(t, func(r *web.Router) {
		web.Handle(r, web.Route{Method: http.MethodPut, Path: "/cart", Summary: "Fills.", Access: web.Public, Prelude: true}, nothing)
		web.Handle(r, web.Route{Method: http.MethodPut, Path: "/name", Summary: "Writes.", Access: web.Public}, nothing)
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/buy", Summary: "Buys.", Access: web.Public},
			func(context.Context, bodyIn) (web.Reply[struct{}], error) {
				return web.Reply[struct{}]{}, fault.Unavailable.Errorf("too many buy").WithDetail("retry_after", "2")
			})
		web.Handle(r, web.Route{Method: http.MethodPost, Path: "/break", Summary: "Breaks.", Access: web.Public},
			func(context.Context, bodyIn) (web.Reply[struct{}], error) {
				return web.Reply[struct{}]{}, fault.Unavailable.Errorf("the disk is gone")
			})
	}, func(c *web.Config) {
		c.Admission.Pressed = pressed.Load
		c.Telemetry.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	ask := func(method, path string) webtest.Response {
		return s.Do(method, "/api/v1"+path, `{"sku":"a","quantity":1}`)
	}
	require.Equal(t, http.StatusOK, ask(http.MethodPut, "/cart").Status)
	pressed.Store(true)
	refused := ask(http.MethodPut, "/cart")
	require.Equal(t, http.StatusServiceUnavailable, refused.Status)
	require.Contains(t, string(refused.Raw), `"server.overloaded"`)
	require.Contains(t, []string{"1", "2", "3"}, refused.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, ask(http.MethodPut, "/name").Status)
	require.Equal(t, "2", ask(http.MethodPost, "/buy").Header.Get("Retry-After"))
	require.Empty(t, log.String())
	pressed.Store(false)
	require.Equal(t, http.StatusOK, ask(http.MethodPut, "/cart").Status)
	require.Equal(t, http.StatusServiceUnavailable, ask(http.MethodPost, "/break").Status)
	require.Contains(t, log.String(), "the disk is gone")
}
