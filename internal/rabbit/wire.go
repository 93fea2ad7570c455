package rabbit

import (
	"bufio"
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialTime  = 5 * time.Second  // to reach the broker, and to shake hands
	writeTime = 15 * time.Second // a write that takes longer ends the connection
	wireMost  = 4 << 20          // bytes that wait to be written before who writes more must wait
	wireRead  = 64 << 10         // bytes that one read of the system may bring; amqp091 asks for 4 kB at a time
	deadlines = time.Second      // how exactly a deadline is kept, so that not every frame moves it
)

// wire is a network connection that writes from a goroutine of its own. amqp091
// writes each message by itself; here all that came while the last write was under
// way goes in one, and so does what those write who are about to. Who writes never
// waits for the other end. A write that it does not take ends the connection.
type wire struct {
	net.Conn
	in     *bufio.Reader
	reads  atomic.Int64 // deadline, in Unix nanoseconds; 0: none, or not known
	writes atomic.Int64

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
	w := &wire{Conn: c, in: bufio.NewReaderSize(c, wireRead), done: make(chan struct{})}
	w.more.L, w.less.L = &w.mu, &w.mu
	go w.write()
	return w, nil
}

// Read gives what was read already, or waits.
func (w *wire) Read(b []byte) (int, error) { return w.in.Read(b) }

// SetReadDeadline may come with each frame that is read: it is passed on where it
// makes a difference.
func (w *wire) SetReadDeadline(t time.Time) error {
	if !moved(&w.reads, t) {
		return nil
	}
	return w.Conn.SetReadDeadline(t)
}

// moved keeps a deadline, and tells whether it is worth telling the system.
func moved(kept *atomic.Int64, t time.Time) bool {
	next := int64(0)
	if !t.IsZero() {
		next = t.UnixNano()
	}
	if old := kept.Load(); old != 0 && old <= next && next-old < int64(deadlines) {
		return false
	}
	kept.Store(next)
	return true
}

// SetDeadline is for the handshake.
func (w *wire) SetDeadline(t time.Time) error {
	w.reads.Store(0)
	w.writes.Store(0)
	return w.Conn.SetDeadline(t)
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
		if !w.closing {
			w.mu.Unlock()
			runtime.Gosched() // whoever can run now may have something to write, too
			w.mu.Lock()
		}
		now := w.waiting
		w.waiting = spare[:0]
		over := w.closing && len(now) == 0
		w.less.Broadcast()
		w.mu.Unlock()
		if over {
			return
		}
		if until := time.Now().Add(writeTime); moved(&w.writes, until) {
			_ = w.SetWriteDeadline(until) // fails only where Write will
		}
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
