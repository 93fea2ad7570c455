// Package port makes each method of a contract a typed value, so that the same
// call can be a function call, a call through the wire's form in memory, or a
// message, chosen by policy and unknown to caller and callee.
//
// What belongs here: how a call is declared, routed, bounded, observed, and
// written as a message. What does not: any broker (a Transport is given), any
// word of the business, and retries, which are the business of whoever calls.
package port

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// DefaultDeadline is how long a call may take when nothing else is said.
const DefaultDeadline = 5 * time.Second

// Option sets a property of a method.
type Option interface{ apply(*Spec) }

type optionFunc func(*Spec)

func (f optionFunc) apply(s *Spec) { f(s) }

// Spec is what is known of a method apart from its types.
type Spec struct {
	Name     string        // "payments.authorize": module, dot, method
	Command  bool          // changes state: keyed, never repeated without its key
	Deadline time.Duration // longest a call may take when the caller allows more; 5 s unless set, 0 for no bound
	Version  int           // of the contract, raised by a breaking change only; 1 unless set
	key      any           // func(Req) string
	waits    any           // func(Req) bool
}

// Module is the part of the name before the dot: "payments".
func (s Spec) Module() string { m, _, _ := strings.Cut(s.Name, "."); return m }

// Method is the part of the name behind the dot: "authorize".
func (s Spec) Method() string { _, m, _ := strings.Cut(s.Name, "."); return m }

// Keyed tells whether the method derives a natural key from its request.
func (s Spec) Keyed() bool { return s.key != nil }

// Waiting tells whether there are requests whose answer is waited for (see Waits).
func (s Spec) Waiting() bool { return s.waits != nil }

// Method is one method of a contract. Declare it once, as a package variable.
type Method[Req, Rep any] struct {
	info    *info
	natural func(Req) string // nil without a natural key
	waits   func(Req) bool   // nil where no answer is waited for
}

// info is the part of a method that has no type parameters. Its address is the
// method's identity: the typed function is found by it, without hashing a name.
type info struct {
	spec Spec
	hash uint32 // of the name: where looking it up begins
}

// Query declares a method that changes nothing and may be repeated, shadowed and
// hedged. It panics on a name that is not "module.method", as declarations are
// evaluated when the program starts.
func Query[Req, Rep any](name string, opts ...Option) *Method[Req, Rep] {
	return declare[Req, Rep](Spec{Name: name}, opts)
}

// Command declares a method that changes state. It panics like Query.
func Command[Req, Rep any](name string, opts ...Option) *Method[Req, Rep] {
	return declare[Req, Rep](Spec{Name: name, Command: true}, opts)
}

var wellNamed = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

func declare[Req, Rep any](spec Spec, opts []Option) *Method[Req, Rep] {
	if !wellNamed.MatchString(spec.Name) {
		panic(fmt.Sprintf("port: %q is no method name; write it as module.method in lower case", spec.Name))
	}
	spec.Deadline, spec.Version = DefaultDeadline, 1
	for _, o := range opts {
		o.apply(&spec)
	}
	m := &Method[Req, Rep]{info: &info{spec: spec, hash: hashOf(spec.Name)}}
	if spec.key != nil {
		natural, ok := spec.key.(func(Req) string)
		if !ok {
			panic(fmt.Sprintf("port: the key of %s is a %T, but its request is a %v", spec.Name, spec.key, reflect.TypeFor[Req]()))
		}
		m.natural = natural
	}
	if spec.waits != nil {
		waits, ok := spec.waits.(func(Req) bool)
		if !ok {
			panic(fmt.Sprintf("port: Waits of %s takes a %T, but its request is a %v", spec.Name, spec.waits, reflect.TypeFor[Req]()))
		}
		m.waits = waits
	}
	return m
}

// Deadline bounds a call; a caller's tighter deadline stays. Zero means no bound.
func Deadline(d time.Duration) Option {
	return optionFunc(func(s *Spec) { s.Deadline = max(d, 0) })
}

// Version tells which breaking version of the method this is. Both ends must
// agree; additions that old readers may ignore need no new version.
func Version(n int) Option { return optionFunc(func(s *Spec) { s.Version = n }) }

// Key derives a command's natural idempotency key from its request. It is used
// where the caller gave none of its own (see WithIdempotencyKey); an empty key
// counts as none.
func Key[Req any](key func(Req) string) Option {
	return optionFunc(func(s *Spec) { s.key = key })
}

// Waits tells of which requests the answer comes late because it waits for something:
// who asks elsewhere does no work until then (see Message.Waits).
func Waits[Req any](waits func(Req) bool) Option {
	return optionFunc(func(s *Spec) { s.waits = waits })
}

// Spec tells what is known of the method.
func (m *Method[Req, Rep]) Spec() Spec { return m.info.spec }

// Types gives the types of the request and the reply.
func (m *Method[Req, Rep]) Types() (req, rep reflect.Type) {
	return reflect.TypeFor[Req](), reflect.TypeFor[Rep]()
}

// Handle registers the function that answers the method on s. It panics if the
// method belongs to another module or is registered already.
func (m *Method[Req, Rep]) Handle(s *Server, fn func(context.Context, Req) (Rep, error)) {
	s.add(m.info, m, fn, func(ctx context.Context, body []byte, poisoned bool) ([]byte, error) {
		return answer(ctx, fn, body, poisoned)
	})
}
