package rabbittest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/testenv"
)

// Wire is the network between a process and its broker, which can be cut, slow, and
// silent. It is Toxiproxy, linked into the test.
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
	w := &Wire{proxy: toxiproxy.NewProxy(silent, t.Name(), fmt.Sprintf("127.0.0.1:%d", testenv.Port(t)), u.Host)}
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
	w.start(t)
	w.cuts.Add(1)
}

// Down ends every connection and lets none be made until Up.
func (w *Wire) Down() { w.proxy.Stop() }

// Up is the end of Down.
func (w *Wire) Up(t testing.TB) {
	t.Helper()
	w.start(t)
}

// start listens again where the wire was. A process that is just being started may hold
// what it inherited for a moment longer.
func (w *Wire) start(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool { return w.proxy.Start() == nil }, time.Minute, 10*time.Millisecond, "the port of the wire, %s, is taken", w.proxy.Listen)
}

// To is the way of what goes over a wire.
type To string

// Both ways.
const (
	Broker  To = "upstream"
	Process To = "downstream"
)

// Late delays all that goes one way, until heal. What is under way when the wire is
// cut is lost.
func (w *Wire) Late(t testing.TB, to To, by time.Duration) (heal func()) {
	t.Helper()
	return w.poison(t, "latency", to, fmt.Sprintf(`"latency":%d`, by.Milliseconds()))
}

// Narrow lets kilobytes a second through one way, until heal.
func (w *Wire) Narrow(t testing.TB, to To, kilobytes int) (heal func()) {
	t.Helper()
	return w.poison(t, "bandwidth", to, fmt.Sprintf(`"rate":%d`, kilobytes))
}

// Silent lets nothing through one way, and closes nothing: the other end may be
// gone, and says nothing. heal ends the connections.
func (w *Wire) Silent(t testing.TB, to To) (heal func()) {
	t.Helper()
	return w.poison(t, "timeout", to, `"timeout":0`)
}

// Tear ends each connection after so many more bytes of it went one way, which is
// likely in the middle of a frame, until heal.
func (w *Wire) Tear(t testing.TB, to To, after int) (heal func()) {
	t.Helper()
	return w.poison(t, "limit_data", to, fmt.Sprintf(`"bytes":%d`, after))
}

func (w *Wire) poison(t testing.TB, kind string, to To, attributes string) (heal func()) {
	t.Helper()
	toxic, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":{%s}}`, kind, to, attributes)))
	require.NoError(t, err)
	return func() {
		require.NoError(t, w.proxy.Toxics.RemoveToxic(context.WithoutCancel(t.Context()), toxic.Name))
	}
}
