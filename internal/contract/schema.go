package contract

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Schema is a JSON Schema, as far as Go's types need one. Objects are open:
// fields that a reader does not know are none of its business.
type Schema struct {
	Ref        string             `json:"$ref,omitempty"`
	Type       string             `json:"type,omitempty"`
	Format     string             `json:"format,omitempty"`
	Encoding   string             `json:"contentEncoding,omitempty"` // base64
	Enum       []string           `json:"enum,omitempty"`
	Properties map[string]*Schema `json:"properties,omitempty"`
	Required   []string           `json:"required,omitempty"`
	Items      *Schema            `json:"items,omitempty"`
	Values     *Schema            `json:"additionalProperties,omitempty"` // of a map
	AnyOf      []*Schema          `json:"anyOf,omitempty"`                // something, or null
	GoType     string             `json:"x-go-type,omitempty"`            // of what writes its JSON itself
}

const refPrefix = "#/$defs/"

// writer makes schemas of types; named structs become definitions.
type writer struct {
	defs   map[string]*Schema
	seen   map[reflect.Type]string
	source *Source
	err    error
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	jsonReader = reflect.TypeFor[json.Unmarshaler]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (w *writer) of(t reflect.Type) *Schema {
	p := reflect.PointerTo(t)
	switch {
	case t == timeType:
		return &Schema{Type: "string", Format: "date-time"}
	case t == rawType || t.Kind() == reflect.Interface:
		return &Schema{}
	case t.Kind() == reflect.Pointer:
		return orNull(w.of(t.Elem()))
	case p.Implements(jsonReader):
		return &Schema{GoType: t.String()}
	case p.Implements(textReader):
		return &Schema{Type: "string", GoType: t.String()}
	}
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Uint:
		return &Schema{Type: "integer", Format: t.Kind().String() + "64"}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer", Format: t.Kind().String()}
	case reflect.Float32:
		return &Schema{Type: "number", Format: "float"}
	case reflect.Float64:
		return &Schema{Type: "number", Format: "double"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return orNull(&Schema{Type: "string", Encoding: "base64"})
		}
		list := &Schema{Type: "array", Items: w.of(t.Elem())}
		if t.Kind() == reflect.Slice {
			return orNull(list)
		}
		return list
	case reflect.Map:
		return orNull(&Schema{Type: "object", Values: w.of(t.Elem())})
	case reflect.Struct:
		return w.object(t)
	}
	w.fail("%s has no form on the wire; use a value type", t)
	return &Schema{}
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func orNull(s *Schema) *Schema {
	if s.nullable() {
		return s
	}
	return &Schema{AnyOf: []*Schema{s, {Type: "null"}}}
}

func (s *Schema) nullable() bool { return len(s.AnyOf) > 0 || s.empty() }

// empty allows everything.
func (s *Schema) empty() bool { return reflect.DeepEqual(*s, Schema{}) }

// object refers to the definition of a named struct, and makes it the first time.
func (w *writer) object(t reflect.Type) *Schema {
	if t.Name() == "" {
		s := &Schema{Type: "object", Properties: map[string]*Schema{}}
		w.fields(s, t, true)
		return s
	}
	name, known := w.seen[t]
	if !known {
		name = strings.NewReplacer("[", "_", "]", "", "/", ".", ",", "_", "*", "").Replace(t.String())
		for w.defs[name] != nil { // a package of the same name
			name += "_"
		}
		w.seen[t] = name
		s := &Schema{Type: "object", Properties: map[string]*Schema{}}
		w.defs[name] = s
		w.fields(s, t, true)
		slices.Sort(s.Required)
	}
	return &Schema{Ref: refPrefix + name}
}

// fields follows the rule of port.Decode: a field is required unless its tag has
// omitempty or omitzero, or it is a pointer, slice, map or interface.
func (w *writer) fields(s *Schema, t reflect.Type, must bool) {
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && (!tagged || name == "") {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			p := reflect.PointerTo(embedded)
			if embedded.Kind() == reflect.Struct && !p.Implements(jsonReader) && !p.Implements(textReader) {
				w.fields(s, embedded, must && f.Type.Kind() != reflect.Pointer)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		field := w.of(f.Type)
		if values := f.Tag.Get("enum"); values != "" {
			field = w.enumeration(t, f, field, strings.Split(values, ","))
		}
		s.Properties[name] = field
		options = "," + options + ","
		if must && !strings.Contains(options, ",omitempty,") && !strings.Contains(options, ",omitzero,") && !mayBeNil(f.Type.Kind()) {
			s.Required = append(s.Required, name)
		}
	}
}

func mayBeNil(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Slice || k == reflect.Map || k == reflect.Interface
}

// enumeration checks that a tag lists the constants of the contract, all of them.
func (w *writer) enumeration(t reflect.Type, f reflect.StructField, s *Schema, values []string) *Schema {
	if s.Type != "string" {
		w.fail("%s.%s has a tag enum, but is no string", t, f.Name)
		return s
	}
	if group := w.source.group(values[0]); !sameSet(group, values) {
		w.fail("the tag enum of %s.%s lists %v, the constants are %v: make them the same", t, f.Name, values, group)
	}
	s.Enum = slices.Sorted(slices.Values(values))
	return s
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
