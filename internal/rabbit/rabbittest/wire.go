package rabbittest

import (
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Wire is the network between a process and its broker, which can be cut.
type Wire struct {
	URL string // of the broker by way of this wire

	proxy *toxiproxy.Proxy
	cuts  atomic.Int64
}

// NewWire lays a wire to the broker at an address.
func NewWire(t testing.TB, broker string) *Wire {
	t.Helper()
	u, err := url.Parse(broker)
	require.NoError(t, err)
	silent := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &Wire{proxy: toxiproxy.NewProxy(silent, t.Name(), "127.0.0.1:0", u.Host)}
	require.NoError(t, w.proxy.Start())
	t.Cleanup(w.proxy.Stop)
	u.Host = w.proxy.Listen
	w.URL = u.String()
	return w
}

// Cut ends every connection; new ones can be made at once.
func (w *Wire) Cut(t testing.TB) {
	t.Helper()
	w.proxy.Stop()
	require.NoError(t, w.proxy.Start())
	w.cuts.Add(1)
}

// Down ends every connection and lets none be made until Up.
func (w *Wire) Down() { w.proxy.Stop() }

// Up is the end of Down.
func (w *Wire) Up(t testing.TB) {
	t.Helper()
	require.NoError(t, w.proxy.Start())
}
