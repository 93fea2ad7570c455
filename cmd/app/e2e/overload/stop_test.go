package overload

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// drain is how long the shop goes on serving when it is told to stop: at full size as
// long as by default. At the small size it is longer than this machine ever keeps a
// buyer from the next request: a connection that rested for all of it is closed, and
// may be.
var drain = time.Duration(shoptest.Storm(4, 1)) * time.Second

// notice is the end of the drain. What is sent in it may not have been accepted when the
// listener closes, nor read when its connection is closed as one that rests.
const notice = 500 * time.Millisecond

// TestStopUnderLoad asks the shop to stop in the middle of a burst. Each request
// that it has accepted gets its answer; the others find nobody there.
func TestStopUnderLoad(t *testing.T) {
	beside(t)
	for _, wiring := range []string{"sqlite", "postgres"} {
		t.Run(wiring, func(t *testing.T) {
			beside(t)
			stopUnderLoad(t, shoptest.Wired(t, wiring).With("BANYAN_HTTP_DRAIN_DELAY="+drain.String()))
		})
	}
}

func stopUnderLoad(t *testing.T, at shoptest.Site) {
	rounds := shoptest.Storm(2, 10)
	s := shoptest.Serve(t, at)
	c := s.NewCrowd(t, s.Admin(t), 16, shoptest.Storm(12, 60)*rounds, 100_000, "tok_visa", "tok_declined", "tok_lost_reply")
	unready, told, finished := 0, int64(0), int64(0)
	for range rounds {
		b := &burst{server: s}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.run(t, c)
		}()
		shoptest.Until(t, "the burst is under way", func() bool { return b.answered.Load() > 100 })
		b.told.Store(new(time.Now())) // the listener closes after told and drain, never before
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
		finished += b.finished.Load()
		t.Logf("%d answers, %d of them with a closed connection, %d of them after the drain to requests from before; then %d found nobody there",
			b.answered.Load(), b.asked.Load(), b.finished.Load(), b.turnedAway.Load())
		s = shoptest.Serve(t, at)
	}
	require.Positive(t, unready, "nobody saw that it was not ready any more")
	require.Positive(t, told)
	if full() { // at the small size nobody waits for an order for as long as the drain takes
		require.Positive(t, finished, "no request was under way when the listener closed")
	}
	c.Burst(t.Context(), t, s.Here) // what was left, and what nobody knows of, with the same keys
	require.Positive(t, c.Settled(t, s, s.Admin(t)).Confirmed)
}

// burst is buyers who keep their connections, each until there is nobody there.
type burst struct {
	server     *shoptest.Server
	told       atomic.Pointer[time.Time] // when the shop was told to stop
	answered   atomic.Int64
	asked      atomic.Int64 // answers that said the connection is to be closed
	turnedAway atomic.Int64 // requests that the shop need not have accepted
	finished   atomic.Int64 // answers that came when the drain was over, to requests from long before
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
				if full() && i%4 == 0 { // under way for longer than the drain
					w.Token = "tok_slow"
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
	var r request
	a, err := at.Try(httptrace.WithClientTrace(context.WithoutCancel(t.Context()), r.trace()), method, path, body)
	switch {
	case err != nil && b.owed(&r):
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
	if told := b.told.Load(); told != nil && time.Now().After(told.Add(drain)) && b.early(&r) {
		b.finished.Add(1)
	}
	return a, true
}

// owed tells that a request that came to nothing should have been answered: an answer had
// begun, or nobody was told to stop; at full size, that it came early, on whatever
// connection; at the small size, that its connection was in use. Of others nobody can
// tell from outside whether the shop had accepted them.
func (b *burst) owed(r *request) bool {
	switch {
	case r.begun.Load(), b.told.Load() == nil:
		return true
	case full():
		return b.early(r)
	}
	return r.reused.Load()
}

// early tells that a request was sent, or was to be sent until now, when the drain had
// still some time to go.
func (b *burst) early(r *request) bool {
	told, sent := b.told.Load(), r.sent.Load()
	if sent == nil {
		sent = new(time.Now())
	}
	return told == nil || sent.Before(told.Add(drain-notice))
}

// request is how far one came.
type request struct {
	reused atomic.Bool               // its connection was in use before
	sent   atomic.Pointer[time.Time] // to the last byte
	begun  atomic.Bool               // its answer
}

func (r *request) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			r.reused.Store(i.Reused)
			r.sent.Store(nil)
			r.begun.Store(false)
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				r.sent.Store(new(time.Now()))
			}
		},
		GotFirstResponseByte: func() { r.begun.Store(true) },
	}
}
