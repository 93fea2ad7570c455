package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// mostHeld is how much more memory the process may have of the system when all slow
// clients are gone, in bytes: it was 11 to 23 MiB with 40 of each kind, and 25 with 500.
const mostHeld = 64 << 20

// TestSlowClients holds connections open in every way. The shop cuts each of them
// by its time-outs, answers others all the while, whatever they ask, and holds nothing
// afterwards.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	roomy := w.Site
	// So short that a machine that stands still is cut as well: only here.
	w.moves(t, roomy.With("BANYAN_HTTP_READ_HEADER_TIMEOUT=2s", "BANYAN_HTTP_READ_TIMEOUT=3s", "BANYAN_HTTP_WRITE_TIMEOUT=4s", "BANYAN_HTTP_IDLE_TIMEOUT=5s",
		"BANYAN_HTTP_IN_FLIGHT=16", "BANYAN_HTTP_QUEUE_WAIT=1s"))
	open, resident := w.Metric(t, "process_open_fds"), w.resident(t)
	require.Positive(t, open)
	n := shoptest.Storm(40, 500)
	get := "GET /health/live HTTP/1.1\r\nHost: x\r\n"
	post := "POST /api/v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	big := "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
	var all sync.WaitGroup
	var mu sync.Mutex
	held := map[string]int{}
	cut := func(kind string, hold func(c *net.TCPConn) error) {
		for range n {
			c := w.dial(t)
			all.Go(func() {
				if err := hold(c); err != nil {
					t.Errorf("%s: the connection was not cut: %v", kind, err)
					return
				}
				mu.Lock()
				held[kind]++
				mu.Unlock()
			})
		}
	}
	cut("says nothing", untilClosed)
	cut("idle after an answer", func(c *net.TCPConn) error {
		_, _ = io.WriteString(c, get+"\r\n")
		return untilClosed(c)
	})
	cut("headers, a byte at a time", func(c *net.TCPConn) error { return drip(c, get+"X-A: ") })
	cut("a body, a byte at a time", func(c *net.TCPConn) error { return drip(c, post+"Content-Length: 100000\r\n\r\n{") })
	cut("chunks, a byte at a time", func(c *net.TCPConn) error { return drip(c, post+"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n2;") })
	cut("half a head", func(c *net.TCPConn) error {
		_, _ = io.WriteString(c, get)
		return untilClosed(c)
	})
	cut("never reads", func(c *net.TCPConn) error {
		_ = c.SetReadBuffer(4096)
		for { // the shop stops reading us, then cuts
			if _, err := io.WriteString(c, big); err != nil {
				return timedOut(err)
			}
		}
	})

	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	served := 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
			for _, ask := range []func() (shoptest.Answer, error){
				func() (shoptest.Answer, error) {
					return w.Anyone().Try(t.Context(), http.MethodGet, "/products?limit=1", nil)
				},
				func() (shoptest.Answer, error) {
					return w.other.Try(t.Context(), http.MethodPut, "/cart/items/"+shoptest.Staple, object{"quantity": 1})
				},
			} {
				if a, err := ask(); err == nil && a.Status == http.StatusOK {
					served++
				}
			}
		}
	}
	require.GreaterOrEqual(t, served, 2)
	require.Len(t, held, 7)
	for kind, cut := range held {
		require.Equal(t, n, cut, kind)
	}
	var files, inFlight float64
	defer func() { t.Logf("files open: %.0f before, %.0f after; requests in flight: %.0f", open, files, inFlight) }()
	shoptest.Until(t, "the shop holds no connection of theirs", func() bool {
		files, inFlight = w.Metric(t, "process_open_fds"), w.Metric(t, "http_requests_in_flight")
		return files <= open+20 && inFlight == 0
	})
	residentAfter := w.resident(t)
	require.LessOrEqual(t, residentAfter, resident+mostHeld, "what the process holds has grown from %d bytes", resident)
	order := w.sells(t)
	require.Zero(t, w.Log.Seen("superfluous"), "a client that goes away in the middle is no news: %s", w.Log)
	w.moves(t, roomy)
	if w.other.Decided(t, order).Text("status") == "confirmed" {
		w.other.Emptied(t) // or the next order may find it so
	}
	w.well(t)
	t.Logf("7 kinds, %d connections each, all cut; %d requests of others were answered; resident %d MB, then %d MB", n, served, resident>>20, residentAfter>>20)
}

// moves goes on with the same shop in a process with other settings.
func (w *world) moves(t *testing.T, at shoptest.Site) {
	t.Helper()
	require.Zero(t, w.Stop(t), w.Log)
	require.Zero(t, w.Log.Seen("panic"), w.Log)
	w.Server = shoptest.Serve(t, at)
	w.admin, w.owner, w.other = w.admin.At(w.Shop), w.owner.At(w.Shop), w.other.At(w.Shop)
}

// sells waits until an order is taken, however often the shop cuts a slow machine off,
// and gives the order.
func (w *world) sells(t *testing.T) (order string) {
	t.Helper()
	keyed := w.other.Keyed()
	shoptest.Until(t, "an order is taken", func() bool {
		a, err := keyed.Try(t.Context(), http.MethodPost, "/orders", orderBody())
		order = a.Text("id")
		return err == nil && a.Status == http.StatusAccepted
	})
	return order
}

// untilClosed reads until the other side closes.
func untilClosed(c *net.TCPConn) error {
	_, err := io.Copy(io.Discard, c)
	return timedOut(err)
}

// timedOut is nil unless it was our own patience that ended.
func timedOut(err error) error {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("after %s: %w", shoptest.Patience, err)
	}
	return nil
}

// drip sends a byte every 300 ms until the other side closes.
func drip(c *net.TCPConn, start string) error {
	if _, err := io.WriteString(c, start); err != nil {
		return timedOut(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- untilClosed(c) }()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-closed:
			return err
		case <-tick.C:
			_, _ = io.WriteString(c, "a") // the reader notices the end
		}
	}
}
