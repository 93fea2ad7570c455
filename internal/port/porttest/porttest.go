// Package porttest has the tests that every contract runs: each suite over every
// way a call can take, and proof that nothing of a contract is lost on the wire.
//
// What belongs here: what is true of any contract. What does not: the suites
// themselves, which are beside their contracts.
package porttest

import (
	"bytes"
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
)

// Ways runs the suite as sub-tests "direct", "loopback" (Strict) and "rabbitmq",
// where there is a broker. Each has a conn of its own to a server of its own: register is called once for each and
// so should make its service anew. The conn answers for the module that register
// serves.
//
// Over Strict loopback each command with a key is delivered twice; a second
// delivery that is answered otherwise than the first fails the test, unless the
// first was a fault that may be retried.
func Ways(t *testing.T, register func(*port.Server), run func(t *testing.T, conn *port.Conn)) {
	t.Helper()
	t.Run("direct", func(t *testing.T) {
		s := port.NewServer("")
		register(s)
		c := port.NewConn(s.Module())
		c.Direct(s)
		run(t, c)
	})
	t.Run("loopback", func(t *testing.T) {
		s := port.NewServer("")
		register(s)
		c := port.NewConn(s.Module())
		c.Loopback(s, 1, port.Strict(), port.OnDuplicate(func(d port.Duplicate) {
			if !d.SameOutcome() || !bytes.Equal(d.First.Body, d.Second.Body) {
				t.Errorf("%s was delivered twice with the same key and answered\n%s\nthen\n%s", d.Method, d.First.Body, d.Second.Body)
			}
		}))
		run(t, c)
	})
	t.Run("rabbitmq", func(t *testing.T) { run(t, rabbittest.Conn(t, register)) })
}

// Served gives the methods that register serves, for Complete where the port
// values themselves are not in reach.
func Served(register func(*port.Server)) []port.Described {
	s := port.NewServer("")
	register(s)
	return s.Methods()
}

// Complete checks that the interface contract and the methods are the same set,
// one to one by name (Authorize is "payments.authorize", ListMethods is
// "payments.list_methods") and with the same types, and that all that requests
// and replies can hold survives the wire.
//
//	porttest.Complete(t, reflect.TypeFor[payments.Service](), authorize, capture, refund)
func Complete(t *testing.T, contract reflect.Type, methods ...port.Described) {
	t.Helper()
	for _, problem := range Problems(contract, methods...) {
		t.Error(problem)
	}
	for _, m := range methods {
		req, rep := m.Types()
		t.Run(m.Spec().Name+"/request", func(t *testing.T) { Survives(t, req) })
		t.Run(m.Spec().Name+"/reply", func(t *testing.T) { Survives(t, rep) })
	}
}

// Problems tells what is wrong between a contract and its methods, one sentence each.
func Problems(contract reflect.Type, methods ...port.Described) []string {
	var problems []string
	if contract.Kind() != reflect.Interface {
		return []string{contract.String() + " is no interface; give reflect.TypeFor of the contract"}
	}
	left := map[string]port.Described{}
	for _, m := range methods {
		name := plain(m.Spec().Method())
		if left[name] != nil {
			problems = append(problems, "two port values are named "+m.Spec().Name)
		}
		left[name] = m
	}
	for i := range contract.NumMethod() {
		declared := contract.Method(i)
		m := left[plain(declared.Name)]
		if m == nil {
			problems = append(problems, contract.String()+"."+declared.Name+" has no port value; declare it with port.Query or port.Command")
			continue
		}
		delete(left, plain(declared.Name))
		problems = append(problems, mismatches(contract, declared, m)...)
	}
	for _, m := range methods {
		if left[plain(m.Spec().Method())] == m {
			problems = append(problems, m.Spec().Name+" is not in "+contract.String())
		}
	}
	return problems
}

func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// mismatches compares func(ctx[, request]) ([reply,] error) with the types of m. A method
// without request or reply has struct{} in its place; one with several
// parameters has a struct for them, which is not compared.
func mismatches(contract reflect.Type, declared reflect.Method, m port.Described) []string {
	f := declared.Type
	name := contract.String() + "." + declared.Name
	nothing := reflect.TypeFor[struct{}]()
	if f.NumIn() == 0 || f.In(0) != reflect.TypeFor[context.Context]() || f.IsVariadic() {
		return []string{name + " does not take a context first, or is variadic"}
	}
	if n := f.NumOut(); n == 0 || n > 2 || f.Out(n-1) != reflect.TypeFor[error]() {
		return []string{name + " does not answer with a reply and an error"}
	}
	req, rep := nothing, nothing
	if f.NumOut() == 2 {
		rep = f.Out(0)
	}
	haveReq, haveRep := m.Types()
	switch f.NumIn() {
	case 1:
	case 2:
		req = f.In(1)
	default:
		req = haveReq
	}
	var problems []string
	if req != haveReq {
		problems = append(problems, name+" takes a "+req.String()+", but "+m.Spec().Name+" a "+haveReq.String())
	}
	if rep != haveRep {
		problems = append(problems, name+" answers with a "+rep.String()+", but "+m.Spec().Name+" with a "+haveRep.String())
	}
	return problems
}
