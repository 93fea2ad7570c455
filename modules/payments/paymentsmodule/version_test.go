package paymentsmodule_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

// heard keeps all that the module publishes, as a broker gets it.
type heard struct {
	mu     sync.Mutex
	events []event.Envelope
}

func (h *heard) Name() string     { return "everybody" }
func (h *heard) Topics() []string { return nil }
func (h *heard) Deliver(_ context.Context, events []event.Envelope) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		if e.Source == "payments" {
			h.events = append(h.events, e)
		}
	}
	return nil
}

// all gives what was heard once an event of a type is among it.
func (h *heard) all(t *testing.T, last string) []event.Envelope {
	t.Helper()
	var events []event.Envelope
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		events = append([]event.Envelope{}, h.events...)
		for _, e := range events {
			if e.Type == last {
				return true
			}
		}
		return false
	}, patience, 20*time.Millisecond)
	return events
}

// find gives the event of a type about an order.
func (h *heard) find(kind, order string) (event.Envelope, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Type == kind && bytes.Contains(e.Data, []byte(order)) {
			return e, true
		}
	}
	return event.Envelope{}, false
}

// version is the whole module behind a wire.
type version struct {
	server  *port.Server
	signer  port.Signer
	harness paymentstest.Harness
	out     *heard
}

func newVersion(t *testing.T) *version {
	t.Helper()
	cluster := testenv.Open(t, database.Config{Dir: t.TempDir()})
	v := &version{out: &heard{}}
	m, h := setup(t, func(name string) *database.DB {
		db, err := cluster.Module(t.Context(), name, 9)
		require.NoError(t, err)
		return db
	}, v.out)
	v.harness = h
	var err error
	v.signer, err = port.NewHMACSigner([]byte("the key of a test, known to both its ends"))
	require.NoError(t, err)
	v.server = port.NewServer("payments", port.WithSigner(v.signer))
	payments.Serve(v.server, m.Service)
	return v
}

// client is today's, over a transport.
func (v *version) client(over port.Transport) payments.Service {
	conn := port.NewConn("payments", port.WithSigner(v.signer))
	conn.Remote(over)
	return payments.NewClient(conn)
}
