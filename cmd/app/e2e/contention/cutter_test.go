package contention

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// cutter stands between the shop and PostgreSQL and knows as much of the protocol
// as it takes to see a COMMIT
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
type cutter struct {
	listener net.Listener
	server   string
	every    atomic.Int64 // which COMMITs are cut; 0: none

	commits, after, before atomic.Int64
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{listener: l, server: server}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c
}

func (c *cutter) addr() string { return c.listener.Addr().String() }

// wire is one connection on its way through.
type wire struct {
	*cutter
	shop, server net.Conn
	deaf         atomic.Bool     // the shop hears nothing more
	commit       map[string]bool // prepared statements that are a COMMIT
}

func (c *cutter) carry(shop net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		_ = shop.Close()
		return
	}
	w := &wire{cutter: c, shop: shop, server: server, commit: map[string]bool{}}
	go w.replies()
	w.requests()
	w.end()
}

func (w *wire) end() {
	_ = w.shop.Close()
	_ = w.server.Close()
}

// replies brings the server's answers back. Where the shop must not hear of a
// COMMIT, the first answer is proof that the server has done it.
func (w *wire) replies() {
	defer w.end()
	buffer := make([]byte, 32<<10)
	for {
		n, err := w.server.Read(buffer)
		if err != nil {
			return
		}
		if w.deaf.Load() {
			if bytes.Contains(buffer[:n], []byte("COMMIT\x00")) {
				w.after.Add(1)
			}
			return
		}
		if _, err := w.shop.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// requests brings messages to the server until one is to be cut.
func (w *wire) requests() {
	in := bufio.NewReader(w.shop)
	for kind := byte(0); ; { // the first message has no kind
		message, err := readMessage(in, kind == 0)
		if err != nil {
			return
		}
		kind = 1
		if w.isCommit(message) {
			every, n := w.every.Load(), w.commits.Add(1)
			switch {
			case every == 0 || n%every != 0:
			case n/every%2 == 0:
				w.before.Add(1)
				return
			default:
				w.deaf.Store(true)
			}
		}
		if _, err := w.server.Write(message); err != nil {
			return
		}
	}
}

// readMessage reads a whole message: a kind (but for the first), a length that
// counts itself, and the rest.
func readMessage(in *bufio.Reader, first bool) ([]byte, error) {
	head := 5
	if first {
		head = 4
	}
	message := make([]byte, head)
	if _, err := io.ReadFull(in, message); err != nil {
		return nil, err
	}
	rest := int(binary.BigEndian.Uint32(message[head-4:])) - 4
	message = append(message, make([]byte, max(rest, 0))...)
	_, err := io.ReadFull(in, message[head:])
	return message, err
}

// isCommit tells whether the message makes the server commit: a simple query, or
// the execution of a statement that was prepared as one.
func (w *wire) isCommit(message []byte) bool {
	if len(message) < 6 {
		return false
	}
	body := message[5:]
	switch message[0] {
	case 'Q':
		return isCommit(body)
	case 'P': // name of the statement, its text
		name, text, _ := bytes.Cut(body, []byte{0})
		w.commit[string(name)] = isCommit(text)
	case 'B': // name of the portal, name of the statement
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		return w.commit[string(name)]
	}
	return false
}

func isCommit(text []byte) bool {
	text, _, _ = bytes.Cut(text, []byte{0})
	return bytes.EqualFold(bytes.TrimRight(bytes.TrimSpace(text), "; "), []byte("commit"))
}
