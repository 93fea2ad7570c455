package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
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

// A rush for one class of routes is turned away before its body is read, and
// leaves places for the others.
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
