package rabbit_test

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Who asks for the health reads once that there is no connection, and why, but no name
// of a host, user or virtual host, and no password: anyone may ask.
func TestHealthSaysOnceWhy(t *testing.T) {
	t.Parallel()
	broker, err := url.Parse(testenv.RabbitMQ(t))
	require.NoError(t, err)
	at := func(change func(u *url.URL)) string {
		u := *broker
		change(&u)
		return u.String()
	}
	for name, c := range map[string]struct{ url, says string }{
		"password":     {at(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "not-the-password") }), "it refuses our user, password or rights (403); see amqp.url"},
		"virtual host": {at(func(u *url.URL) { u.Path = "/there-is-none" }), "it has no such virtual host for us (530); see amqp.url"},
		"nobody there": {at(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := rabbittest.New(t, c.url)
			b.Serve(port.NewServer("shop", port.WithSigner(rabbittest.Signer(t))), rabbit.Limits{}) // so it has two connections
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			for _, task := range b.Tasks() {
				running.Go(func() { _ = task.Run(ctx) })
			}
			t.Cleanup(func() { stop(); running.Wait() })
			said := ""
			require.Eventually(t, func() bool {
				said, _ = b.Health().Run(t.Context()) // it is never an error
				return said == rabbit.ErrNotConnected.Error()+": "+c.says
			}, patience, 10*time.Millisecond, "%s", &said)
		})
	}
}
