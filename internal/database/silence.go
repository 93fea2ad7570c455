package database

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// How long a server that owes an answer may say nothing: longer than it lets a
// statement run, by the time that a commit may take.
const (
	silence          = 30*time.Second + commitLimit
	migrationSilence = 30*time.Minute + commitLimit
	attendSilence    = 2 * time.Minute // others may be alone for one
)

// answering makes connections on which nobody waits for ever. A server that vanished
// with its machine, or behind a balancer, closes nothing, and what a relay or an inbox
// asks has no deadline.
func answering(dial pgconn.DialFunc, limit time.Duration) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &answered{Conn: conn, limit: limit}, nil
	}
}

// answered is a connection whose reads and writes end after a limit, or at the deadline
// that its user sets, if that comes sooner. The driver reads only while it waits for an
// answer.
type answered struct {
	net.Conn
	limit time.Duration

	mu              sync.Mutex
	readBy, writeBy time.Time // of its user; zero where there is none
}

// Read implements net.Conn.
func (c *answered) Read(b []byte) (int, error) {
	if err := c.boundRead(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *answered) Write(b []byte) (int, error) {
	if err := c.boundWrite(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetDeadline implements net.Conn.
func (c *answered) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *answered) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.readBy = t
	c.mu.Unlock()
	return c.boundRead()
}

// SetWriteDeadline implements net.Conn.
func (c *answered) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.writeBy = t
	c.mu.Unlock()
	return c.boundWrite()
}

// boundRead and boundWrite hold the lock, so that a deadline of the user's which is set
// at the same time is not written over.
func (c *answered) boundRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetReadDeadline(c.sooner(c.readBy))
}

func (c *answered) boundWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetWriteDeadline(c.sooner(c.writeBy))
}

func (c *answered) sooner(by time.Time) time.Time {
	if limit := time.Now().Add(c.limit); by.IsZero() || by.After(limit) {
		return limit
	}
	return by
}
