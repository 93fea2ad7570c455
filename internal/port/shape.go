package port

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// shape is what must be present in the JSON of a type. nil: nothing in it is checked.
type shape struct {
	nullable bool
	fields   map[string]*shape // of an object; nil for anything else
	required []string          // names in fields that must be there
	element  *shape            // of an array, or of an object that is a map
	open     bool              // of a whole type: an interface may be in it
}

var shapes sync.Map // reflect.Type → *shape: derived from types, so immutable

var (
	jsonReader = reflect.TypeFor[json.Unmarshaler]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	seen := map[reflect.Type]*shape{}
	s := buildShape(t, seen)
	for in := range seen {
		s.open = s.open || in.Kind() == reflect.Interface
	}
	shapes.Store(t, s)
	return s
}

// buildShape follows types that contain themselves only once.
func buildShape(t reflect.Type, seen map[reflect.Type]*shape) *shape {
	if s, ok := seen[t]; ok {
		return s
	}
	s := &shape{}
	seen[t] = s
	if p := reflect.PointerTo(t); t.Kind() != reflect.Pointer && (p.Implements(jsonReader) || p.Implements(textReader)) {
		s.nullable = t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Interface
		return s // it reads itself
	}
	switch t.Kind() {
	case reflect.Pointer:
		*s = *buildShape(t.Elem(), seen)
		s.nullable = true
	case reflect.Interface:
		s.nullable = true
	case reflect.Slice, reflect.Map:
		s.nullable = true
		s.element = buildShape(t.Elem(), seen)
	case reflect.Array:
		s.element = buildShape(t.Elem(), seen)
	case reflect.Struct:
		s.fields = map[string]*shape{}
		s.addFields(t, true, seen)
	}
	return s
}

// addFields adds the fields of a struct and of those embedded in it, whose fields
// are not required if they hang on a pointer.
func (s *shape) addFields(t reflect.Type, must bool, seen map[reflect.Type]*shape) {
	for i := range t.NumField() {
		f := t.Field(i)
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
			if embedded.Kind() == reflect.Struct && !reflect.PointerTo(embedded).Implements(jsonReader) && !reflect.PointerTo(embedded).Implements(textReader) {
				s.addFields(embedded, must && f.Type.Kind() != reflect.Pointer, seen)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s.fields[name] = buildShape(f.Type, seen)
		options = "," + options + ","
		if must && !strings.Contains(options, ",omitempty,") && !strings.Contains(options, ",omitzero,") && !optional(f.Type.Kind()) {
			s.required = append(s.required, name)
		}
	}
}

func optional(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Slice || k == reflect.Map || k == reflect.Interface
}
