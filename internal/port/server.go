package port

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// Server holds the functions that answer the methods of one module.
type Server struct {
	module string
	tel    *telemetry
	signer Signer
	mu     sync.Mutex // held while registering
	table  atomic.Pointer[table]
}

// table is immutable; registering replaces it.
type table struct {
	typed *slots
	named map[string]*served
}

// served is a method as messages reach it.
type served struct {
	info   *info
	method Described
	answer func(ctx context.Context, body []byte, poisoned bool) ([]byte, error)
}

// ServerOption sets a property of a Server (telemetry, signer).
type ServerOption interface{ applyServer(*Server) }

// NewServer makes an empty server for a module. Without a name it becomes the
// server of the first method's module.
func NewServer(module string, opts ...ServerOption) *Server {
	s := &Server{module: module}
	for _, o := range opts {
		o.applyServer(s)
	}
	s.table.Store(&table{typed: &slots{list: make([]slot, 2), mask: 1}, named: map[string]*served{}})
	return s
}

// Module is the name of the module that answers here.
func (s *Server) Module() string { return s.module }

// Described is a method of whatever types; every *Method is one.
type Described interface {
	Spec() Spec
	Types() (req, rep reflect.Type)
}

// Methods gives every registered method, by name.
func (s *Server) Methods() []Described {
	named := s.table.Load().named
	methods := make([]Described, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		methods = append(methods, named[name].method)
	}
	return methods
}

func (s *Server) add(i *info, method Described, typed any, answer func(context.Context, []byte, bool) ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.module == "" {
		s.module = i.spec.Module()
	}
	if i.spec.Module() != s.module {
		panic(fmt.Sprintf("port: %s cannot be answered by the server of %s", i.spec.Name, s.module))
	}
	old := s.table.Load()
	if old.named[i.spec.Name] != nil {
		panic(fmt.Sprintf("port: %s is answered twice", i.spec.Name))
	}
	next := &table{typed: old.typed.with(i, typed), named: maps.Clone(old.named)}
	next.named[i.spec.Name] = &served{info: i, method: method, answer: answer}
	s.table.Store(next)
}

// typed gives the function registered for the method, nil where there is none.
func (s *Server) typed(i *info) any {
	if s == nil {
		return nil
	}
	return s.table.Load().typed.find(i)
}
