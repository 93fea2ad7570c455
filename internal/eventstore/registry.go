package eventstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Upcast makes the data of one schema from those of the schema before.
type Upcast func(data json.RawMessage) (json.RawMessage, error)

// Fields is an Upcast that works on the fields of an object. Numbers keep all
// their digits.
func Fields(change func(fields map[string]json.RawMessage) error) Upcast {
	return func(data json.RawMessage) (json.RawMessage, error) {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			return nil, err
		}
		if fields == nil {
			return nil, errors.New("it is no object")
		}
		if err := change(fields); err != nil {
			return nil, err
		}
		return json.Marshal(fields)
	}
}

// Kind is one kind of event: the name under which it is stored for ever, and the
// Go type that it is read as today.
type Kind struct {
	name    string
	former  []string
	upcasts []Upcast // [i] makes schema i+2 from schema i+1
	goType  reflect.Type
	decode  func(data []byte) (any, error)
}

// Type says that events of T are stored under name. The Go type may be renamed
// and moved at will; the name never changes. T must be written and read by
// encoding/json; fields that a stored event has beyond those of T are ignored.
func Type[T any](name string) Kind {
	return Kind{name: name, goType: reflect.TypeFor[T](), decode: func(data []byte) (any, error) {
		var e T
		err := json.Unmarshal(data, &e)
		return e, err
	}}
}

// Schema tells which schema events of the kind are written in: one more than
// there are upcasts.
func (k Kind) Schema() int { return 1 + len(k.upcasts) }

// Since adds the upcasts that bring stored events from schema 1 to today's, one
// for each schema that there ever was, in order. Never change one that was used.
func (k Kind) Since(upcasts ...Upcast) Kind {
	k.upcasts = slices.Concat(k.upcasts, upcasts)
	return k
}

// Formerly adds names under which the kind was stored before.
func (k Kind) Formerly(names ...string) Kind {
	k.former = slices.Concat(k.former, names)
	return k
}

// Registry knows the kinds of events of a store. It does not change once made.
type Registry struct {
	byName map[string]Kind
	byType map[reflect.Type]Kind
}

// NewRegistry makes a registry; a name or type that is used twice is an error.
func NewRegistry(kinds ...Kind) (*Registry, error) {
	r := &Registry{byName: map[string]Kind{}, byType: map[reflect.Type]Kind{}}
	for _, k := range kinds {
		if k.decode == nil || k.name == "" {
			return nil, errors.New("register events: a kind has no name; make it with Type")
		}
		if _, taken := r.byType[k.goType]; taken {
			return nil, fmt.Errorf("register events: the type %v is registered twice; give %q a type of its own", k.goType, k.name)
		}
		r.byType[k.goType] = k
		for _, name := range append([]string{k.name}, k.former...) {
			if _, taken := r.byName[name]; taken {
				return nil, fmt.Errorf("register events: the name %q is registered twice", name)
			}
			r.byName[name] = k
		}
	}
	return r, nil
}

func (r *Registry) encode(e any) (k Kind, data string, err error) {
	k, ok := r.byType[reflect.TypeOf(e)]
	if !ok {
		return k, "", fmt.Errorf("write an event of type %T: %w: add it to the registry of its store", e, ErrUnknownType)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return k, "", fmt.Errorf("write an event %s: %w", k.name, err)
	}
	return k, string(text), nil
}

// Decode reads the data of a stored event as the type that its kind has today.
// Errors: ErrUnknownType, ErrNewerSchema.
func (r *Registry) Decode(name string, schema int, data []byte) (any, error) {
	k, ok := r.byName[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("event type %q: %w", name, ErrUnknownType)
	case schema > k.Schema():
		return nil, fmt.Errorf("event type %q, schema %d of %d known: %w", name, schema, k.Schema(), ErrNewerSchema)
	case schema < 1:
		return nil, fmt.Errorf("event type %q: schemas count from 1, this one is %d", name, schema)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("event type %q: it has no data", name)
	}
	for from := schema; from < k.Schema(); from++ {
		next, err := k.upcasts[from-1](data)
		if err != nil {
			return nil, fmt.Errorf("event type %q: bring it from schema %d to %d: %w", name, from, from+1, err)
		}
		data = next
	}
	e, err := k.decode(data)
	if err != nil {
		return nil, fmt.Errorf("event type %q: %w", name, err)
	}
	return e, nil
}
