package overload

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestStopUnderLoad asks the shop to stop in the middle of a burst. Each request
// on a connection that was in use gets its answer; the others find nobody there.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		// Longer than this machine ever keeps a buyer from the next request: a
		// connection that rested for all of it is closed, and may be.
		at = at.With("BANYAN_HTTP_DRAIN_DELAY=4s")
		rounds := shoptest.Storm(2, 10)
		s := shoptest.Serve(t, at)
		c := s.NewCrowd(t, s.Admin(t), 16, shoptest.Storm(12, 60)*rounds, 100_000, "tok_visa", "tok_declined", "tok_lost_reply")
		unready, told := 0, int64(0)
		for range rounds {
			b := &burst{server: s}
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.run(t, c)
			}()
			shoptest.Until(t, "the burst is under way", func() bool { return b.answered.Load() > 100 })
			require.NoError(t, s.Cmd.Process.Signal(syscall.SIGTERM))
			shoptest.Until(t, "it is not ready any more, or gone", func() bool { // it hears the signal in its own time
				a, err := s.Anyone().At(s.Ops).Try(t.Context(), http.MethodGet, "//health/ready", nil)
				if err == nil && a.Status == http.StatusServiceUnavailable {
					unready++
				}
				return err != nil || a.Status != http.StatusOK
			})
			<-s.Exited
			<-done
			require.Zero(t, s.Cmd.ProcessState.ExitCode(), "exit code; log:\n%s", s.Log)
			require.False(t, t.Failed())
			require.Positive(t, b.asked.Load(), "nobody was told to close a connection")
			require.Positive(t, b.turnedAway.Load(), "the burst ended before the shop did")
			told += b.asked.Load()
			t.Logf("%d answers, %d of them with a closed connection, then %d found nobody there", b.answered.Load(), b.asked.Load(), b.turnedAway.Load())
			s = shoptest.Serve(t, at)
		}
		require.Positive(t, unready, "nobody saw that it was not ready any more")
		require.Positive(t, told)
		c.Burst(t.Context(), t, s.Here) // what was left, and what nobody knows of, with the same keys
		require.Positive(t, c.Settled(t, s, s.Admin(t)).Confirmed)
	})
}

// burst is buyers who keep their connections, each until there is nobody there.
type burst struct {
	server     *shoptest.Server
	answered   atomic.Int64
	asked      atomic.Int64 // answers that said the connection is to be closed
	turnedAway atomic.Int64 // requests for which no connection was in use
}

func (b *burst) run(t *testing.T, c *shoptest.Crowd) {
	var all sync.WaitGroup
	for i, buyer := range c.Buyers {
		all.Go(func() {
			at := buyer.At(b.server.Shop)
			for _, w := range buyer.Wishes {
				if w.Order != "" {
					continue
				}
				if _, ok := b.send(t, at, http.MethodPut, "/cart/items/"+c.SKU, shoptest.Object{"quantity": 1}); !ok {
					return
				}
				order := at.With("Idempotency-Key", w.Key)
				if i%2 == 0 { // long requests and short ones
					order = order.With("Prefer", "wait=10")
				}
				a, ok := b.send(t, order, http.MethodPost, "/orders", shoptest.OrderBody(w.Token))
				if !ok {
					return
				}
				if a.Status < http.StatusBadRequest {
					w.Order = a.Text("id")
				}
			}
			for ok := true; ok; { // until there is nobody
				_, ok = b.send(t, at, http.MethodPut, "/cart/items/"+c.SKU, shoptest.Object{"quantity": 1})
			}
		})
	}
	all.Wait()
}

// send sends a request that the transport never repeats by itself. ok tells that it was answered.
func (b *burst) send(t *testing.T, at shoptest.Client, method, path string, body any) (a shoptest.Answer, ok bool) {
	inUse := false
	ctx := httptrace.WithClientTrace(context.WithoutCancel(t.Context()), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { inUse = i.Reused },
	})
	a, err := at.Try(ctx, method, path, body)
	switch {
	case err != nil && inUse:
		t.Errorf("%s %s was cut off: %v", method, path, err)
		return a, false
	case err != nil:
		b.turnedAway.Add(1)
		return a, false
	case a.Status >= http.StatusInternalServerError && a.Status != http.StatusServiceUnavailable && !tooLate(a):
		t.Errorf("%s %s: %s", method, path, a.Raw)
	}
	b.answered.Add(1)
	if a.Closes {
		b.asked.Add(1)
	}
	return a, true
}
