package rabbit

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	dialTime  = 5 * time.Second  // to reach the broker, and to shake hands
	writeTime = 15 * time.Second // a write that takes longer ends the connection
	wireMost  = 4 << 20          // bytes that wait to be written before who writes more must wait
)

// wire is a network connection that writes from a goroutine of its own. amqp091
// writes each frame by itself; here all that came while the last write was under
// way goes in one. A write that the other end does not take ends the connection.
type wire struct {
	net.Conn

	mu      sync.Mutex
	more    sync.Cond // something to write, or the end
	less    sync.Cond // there is room again, or the end
	waiting []byte
	closing bool
	err     error
	done    chan struct{} // the writer has ended
}

func dialWire(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// Until the handshake is over nobody sends heartbeats; amqp091 lifts this then.
	if err := c.SetDeadline(time.Now().Add(dialTime)); err != nil {
		_ = c.Close()
		return nil, err
	}
	w := &wire{Conn: c, done: make(chan struct{})}
	w.more.L, w.less.L = &w.mu, &w.mu
	go w.write()
	return w, nil
}

// Write takes b over into what is written next. An error is that of an earlier write.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) > wireMost && w.err == nil && !w.closing {
		w.less.Wait()
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.closing {
		return 0, net.ErrClosed
	}
	w.waiting = append(w.waiting, b...)
	w.more.Signal()
	return len(b), nil
}

func (w *wire) write() {
	defer close(w.done)
	var spare []byte
	for {
		w.mu.Lock()
		for len(w.waiting) == 0 && !w.closing {
			w.more.Wait()
		}
		now := w.waiting
		w.waiting = spare[:0]
		over := w.closing && len(now) == 0
		w.less.Broadcast()
		w.mu.Unlock()
		if over {
			return
		}
		_ = w.SetWriteDeadline(time.Now().Add(writeTime)) // fails only where Write will
		_, err := w.Conn.Write(now)
		if err != nil {
			w.fail(err)
			return
		}
		if spare = now; cap(spare) > wireMost {
			spare = nil
		}
	}
}

// fail ends the connection: the reader notices too.
func (w *wire) fail(err error) {
	w.mu.Lock()
	w.err = err
	w.less.Broadcast()
	w.mu.Unlock()
	_ = w.Conn.Close()
}

// Close writes what waits, for a second at most, and closes.
func (w *wire) Close() error {
	w.mu.Lock()
	w.closing = true
	w.more.Signal()
	w.less.Broadcast()
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(time.Second):
	}
	return w.Conn.Close()
}
