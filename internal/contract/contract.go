// Package contract writes down what a module promises to others - its methods,
// their requests and replies, its error codes and its events - and tells whether
// a change of it breaks somebody.
//
// What belongs here: the recorded form of any contract, the rules of
// compatibility, and who is hit. What does not: which modules there are (cmd/app
// says), and the messages themselves, which internal/port and internal/event read.
package contract

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
)

// Dialect of the schemas.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// Document is what one module promises, as it is recorded.
type Document struct {
	Schema  string             `json:"$schema"`
	Module  string             `json:"module"`
	Codes   map[string]string  `json:"codes"` // of errors: name to kind
	Methods []Method           `json:"methods"`
	Events  []Event            `json:"events"`
	Defs    map[string]*Schema `json:"$defs"`
}

// Method is one method of a contract.
type Method struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"` // query or command
	Version  int      `json:"version"`
	Deadline string   `json:"deadline"` // "10s"; "0s": none
	Keyed    bool     `json:"keyed"`    // derives its idempotency key from the request
	Codes    []string `json:"codes"`    // that its documentation names
	Request  *Schema  `json:"request"`
	Reply    *Schema  `json:"reply"`
}

// Event is one kind of event of a contract.
type Event struct {
	Name  string  `json:"name"`
	Topic string  `json:"topic"`
	Data  *Schema `json:"data"`
}

// Module is what a running program knows of a contract.
type Module struct {
	Name    string
	Methods []port.Described
	Events  []event.Described
}

// Describe writes a module's contract down: types by reflection, and what Go's
// types do not say (error codes, values of enumerations) from the source.
func Describe(m Module, src *Source) (*Document, error) {
	d := &Document{
		Schema: Dialect, Module: m.Name, Codes: src.Codes,
		Methods: []Method{}, Events: []Event{}, Defs: map[string]*Schema{},
	}
	w := &writer{defs: d.Defs, seen: map[reflect.Type]string{}, source: src}
	for _, p := range m.Methods {
		spec := p.Spec()
		req, rep := p.Types()
		codes, err := src.codesOf(spec.Method())
		if err != nil {
			return nil, err
		}
		method := Method{
			Name: spec.Name, Kind: "query", Version: spec.Version, Deadline: spec.Deadline.Round(time.Millisecond).String(),
			Keyed: spec.Keyed(), Codes: codes, Request: w.of(req), Reply: w.of(rep),
		}
		if spec.Command {
			method.Kind = "command"
		}
		d.Methods = append(d.Methods, method)
	}
	var listed []string
	for _, e := range m.Events {
		listed = append(listed, e.Name())
		d.Events = append(d.Events, Event{Name: e.Name(), Topic: e.Topic(), Data: w.of(e.Data())})
	}
	if w.err != nil {
		return nil, fmt.Errorf("the contract of %s: %w", m.Name, w.err)
	}
	for _, name := range src.Events {
		if !slices.Contains(listed, name) {
			return nil, fmt.Errorf("the event %s is defined in modules/%s, but its function Events does not list it: add it there", name, m.Name)
		}
	}
	slices.SortFunc(d.Methods, func(a, b Method) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Events, func(a, b Event) int { return cmp.Compare(a.Name, b.Name) })
	return d, nil
}
