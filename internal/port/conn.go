package port

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/banyan-tree/banyan/internal/fault"
)

// way is how a call travels; it is a label of the metrics.
type way uint8

const (
	wayDirect way = iota
	wayLoopback
	wayRemote
)

func (w way) String() string { return [...]string{"direct", "loopback", "remote"}[w] }

// Transport carries a message to the server of a module and brings the reply.
// An error means that no reply came; it is normalised by fault.From. A transport
// may send a message again only if Message.Repeatable.
type Transport interface {
	RoundTrip(ctx context.Context, m Message) (Message, error)
}

// Conn is the calling end for one module. Its policy may change while calls run;
// each call obeys the one it found when it began.
type Conn struct {
	module string
	policy atomic.Pointer[policy]
	tel    *telemetry // nil: nothing is observed
	signer Signer     // nil: only loopback can be used, with a key of its own
}

// policy is immutable: a call reads it with one atomic load.
type policy struct {
	server *Server   // answers what does not go over the wire; nil: nobody
	wire   Transport // nil: everything is direct
	way    way       // how calls over wire are labelled
	share  uint64    // of 1<<32: how many calls go over wire
}

// everything is the share of all calls.
const everything = 1 << 32

// remote decides whether this call goes over the wire.
func (p *policy) remote() bool {
	return p.wire != nil && (p.share >= everything || uint64(rand.Uint32()) < p.share)
}

// ConnOption sets a property of a Conn (telemetry, signer).
type ConnOption interface{ applyConn(*Conn) }

// EndOption fits both ends of a call.
type EndOption interface {
	ConnOption
	ServerOption
}

// NewConn makes a conn that answers Unavailable until it is routed.
func NewConn(module string, opts ...ConnOption) *Conn {
	c := &Conn{module: module}
	for _, o := range opts {
		o.applyConn(c)
	}
	c.policy.Store(&policy{})
	return c
}

// Module is the name of the module that answers here.
func (c *Conn) Module() string { return c.module }

// Direct routes calls to s as plain function calls.
func (c *Conn) Direct(s *Server) { c.policy.Store(&policy{server: s}) }

// Loopback routes the given fraction (0..1) of the calls through the wire's form
// in memory, the rest directly. With Strict, arguments are poisoned after use and
// what may be repeated is delivered twice; for tests.
func (c *Conn) Loopback(s *Server, fraction float64, opts ...LoopbackOption) {
	l := newLoopback(c, s)
	for _, o := range opts {
		o.applyLoopback(l)
	}
	c.policy.Store(&policy{server: s, wire: l, way: wayLoopback, share: share(fraction)})
}

// Remote routes every call over t. It needs a signer (WithSigner): without one
// calls answer Unauthenticated, because no server would believe them.
func (c *Conn) Remote(t Transport) {
	c.policy.Store(&policy{wire: t, way: wayRemote, share: everything})
}

// share turns a fraction into a share of 1<<32.
func share(fraction float64) uint64 {
	return uint64(min(max(fraction, 0), 1) * everything)
}

func (c *Conn) unrouted(i *info) error {
	return fault.Unavailable.Errorf("nobody answers %s here", i.spec.Name)
}
