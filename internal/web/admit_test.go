package web_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
