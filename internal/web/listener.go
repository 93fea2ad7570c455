package web

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/fault"
)

// TooManyConnections answers who connects when as many are as may be.
var TooManyConnections = fault.Define("connections.exhausted", fault.KindUnavailable)

// farewells is how many refused connections are closed politely at a time, and
// farewell how long each may take: one that is closed while its request is unread is
// reset, and the refusal is lost.
const (
	farewells = 64
	farewell  = 500 * time.Millisecond
)

// listener takes no more than so many connections at a time. One too many is
// answered with 503 and closed, unread: who waits in the kernel's queue is told
// nothing, and those who hold connections open without asking would keep all others
// waiting.
type listener struct {
	net.Listener
	max     int64
	open    atomic.Int64
	leaving chan struct{}
	refused prometheus.Counter
}

func (s *Server) limited(l net.Listener) (*listener, error) {
	refused, err := registered[prometheus.Counter](s.cfg.Telemetry.Registerer, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "http_connections_refused_total", Help: "Connections closed because there were as many as may be."}))
	if err != nil {
		return nil, err
	}
	return limit(l, s.cfg.Connections, refused), nil
}

// Limit is l with no more than most connections at a time. One too many is answered
// with 503, for servers of HTTP that are none of this package.
func Limit(l net.Listener, most int) net.Listener {
	return limit(l, most, prometheus.NewCounter(prometheus.CounterOpts{Name: "uncounted"}))
}

func limit(l net.Listener, most int, refused prometheus.Counter) *listener {
	return &listener{Listener: l, max: int64(most), leaving: make(chan struct{}, farewells), refused: refused}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &conn{Conn: c, left: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		l.refused.Inc()
		l.refuse(c)
	}
}

// refuse says so, and closes when the client has heard it, or at once where that
// would take too many.
func (l *listener) refuse(c net.Conn) {
	select {
	case l.leaving <- struct{}{}:
	default:
		_ = c.Close() // nobody is told: there are too many
		return
	}
	go func() {
		defer func() { <-l.leaving }()
		defer func() { _ = c.Close() }()
		if c.SetDeadline(time.Now().Add(farewell)) != nil {
			return
		}
		if _, err := c.Write(refusal(TooManyConnections.Errorf("this server has as many connections as it takes: come back soon"), "1")); err != nil {
			return
		}
		half := &conn{Conn: c}
		if half.CloseWrite() != nil {
			return
		}
		for unread := make([]byte, 4<<10); ; {
			if _, err := c.Read(unread); err != nil {
				return
			}
		}
	}()
}
