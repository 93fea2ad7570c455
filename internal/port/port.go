// Package port makes each method of a contract a typed value, so that the same
// call can be a function call, a call through the wire's form in memory, or a
// message, chosen by policy and unknown to caller and callee.
package port

import (
	"context"
	"time"
)

// Option sets a property of a method.
type Option interface{ apply(*Spec) }

// Spec is what is known of a method apart from its types.
type Spec struct {
	Name     string        // "payments.authorize": module, dot, method
	Command  bool          // changes state: keyed, never repeated without its key
	Deadline time.Duration // longest a call may take when the caller allows more; 5 s unless set
	key      any           // func(Req) string
}

// Method is one method of a contract.
type Method[Req, Rep any] struct{ spec Spec }

// Query declares a method that changes nothing and may be repeated, shadowed and hedged.
func Query[Req, Rep any](name string, opts ...Option) *Method[Req, Rep] { panic("kit") }

// Command declares a method that changes state.
func Command[Req, Rep any](name string, opts ...Option) *Method[Req, Rep] { panic("kit") }

// Deadline bounds a call; a caller's tighter deadline stays.
func Deadline(d time.Duration) Option { panic("kit") }

// Key derives a command's natural idempotency key from its request.
func Key[Req any](key func(Req) string) Option { panic("kit") }

// Call calls the method on conn by its present policy.
func (m *Method[Req, Rep]) Call(ctx context.Context, c *Conn, req Req) (rep Rep, err error) {
	panic("kit")
}

// Handle registers the function that answers the method on s.
func (m *Method[Req, Rep]) Handle(s *Server, fn func(context.Context, Req) (Rep, error)) {
	panic("kit")
}

// Spec tells what is known of the method.
func (m *Method[Req, Rep]) Spec() Spec { return m.spec }

// Server holds the functions that answer the methods of one module.
type Server struct{}

// NewServer makes an empty server for a module.
func NewServer(module string) *Server { panic("kit") }

// Conn is the calling end for one module.
type Conn struct{}

// NewConn makes a conn that answers Unavailable until it is routed.
func NewConn(module string, opts ...ConnOption) *Conn { panic("kit") }

// ConnOption sets a property of a Conn (telemetry, signer).
type ConnOption interface{ applyConn(*Conn) }

// Direct routes calls to s as plain function calls.
func (c *Conn) Direct(s *Server) { panic("kit") }

// Loopback routes the given fraction (0..1) of the calls through the wire's form
// in memory, the rest directly. With Strict, arguments are poisoned after use and every
// command is delivered twice; for tests.
func (c *Conn) Loopback(s *Server, fraction float64, opts ...LoopbackOption) { panic("kit") }

// LoopbackOption sets how loopback behaves.
type LoopbackOption interface{ applyLoopback() }

// Strict makes loopback as harsh as a network: for tests.
func Strict() LoopbackOption { panic("kit") }
