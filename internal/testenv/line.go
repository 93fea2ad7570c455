package testenv

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Line is the way to a server, on which connections can fall silent as if the server's
// machine had vanished: nothing closes them, and new ones work.
type Line struct {
	URL string // of the server by way of this line

	listener net.Listener
	server   string
	end      chan struct{}
	work     sync.WaitGroup

	mu    sync.Mutex
	muted chan struct{} // closed when the connections of now fall silent
}

// NewLine lays a line to the server at an address, until the end of the test.
func NewLine(t testing.TB, address string) *Line {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &Line{listener: listener, server: u.Host, end: make(chan struct{}), muted: make(chan struct{})}
	u.Host = listener.Addr().String()
	l.URL = u.String()
	l.work.Go(l.accept)
	t.Cleanup(func() {
		close(l.end)
		err := listener.Close()
		l.work.Wait()
		require.NoError(t, err)
	})
	return l
}

// Mute makes the connections that there are carry nothing any more.
func (l *Line) Mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.muted)
	l.muted = make(chan struct{})
}

func (l *Line) accept() {
	for {
		here, err := l.listener.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", l.server)
		if err != nil {
			_ = here.Close()
			continue
		}
		l.mu.Lock()
		muted := l.muted
		l.mu.Unlock()
		over := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			l.work.Go(func() {
				defer func() { over <- struct{}{} }()
				carry(way[0], way[1], muted, l.end)
			})
		}
		l.work.Go(func() {
			select {
			case <-over:
			case <-l.end:
			}
			_ = errors.Join(here.Close(), there.Close())
		})
	}
}

// carry copies what comes from one end to the other until one of them closes. Once
// muted it takes what comes, and closes nothing before the end.
func carry(from, to net.Conn, muted, end <-chan struct{}) {
	part := make([]byte, 32<<10)
	for {
		n, err := from.Read(part)
		select {
		case <-muted:
			if err != nil {
				<-end
				return
			}
			continue
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
	}
}
