package web

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/banyan-tree/banyan/internal/money"
)

// schemas holds the schema of every Go type a route speaks of. The OpenAPI
// document prints them and the checks run on them: there is no second source.
type schemas struct {
	byType map[reflect.Type]*openapi3.SchemaRef // named structs: the components
	refs   map[reflect.Type][]*openapi3.SchemaRef
}

func newSchemas() *schemas {
	return &schemas{byType: map[reflect.Type]*openapi3.SchemaRef{}, refs: map[reflect.Type][]*openapi3.SchemaRef{}}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	jsonType = reflect.TypeFor[json.Marshaler]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
)

func schemaOf(kind, format string) *openapi3.SchemaRef {
	return &openapi3.SchemaRef{Value: &openapi3.Schema{Type: &openapi3.Types{kind}, Format: format}}
}

// of gives the schema of a type. Named structs become references whose names
// are only known when all types are, see name.
func (s *schemas) of(t reflect.Type) (*openapi3.SchemaRef, error) {
	switch {
	case t == timeType:
		return schemaOf("string", "date-time"), nil
	case t == rawType || t.Kind() == reflect.Interface:
		return &openapi3.SchemaRef{Value: &openapi3.Schema{}}, nil
	case t.Kind() == reflect.Pointer:
		return s.nullable(t.Elem())
	case t.Kind() == reflect.Struct && t.Name() != "" && !opaque(t):
		return s.component(t)
	case t.Implements(jsonType):
		return &openapi3.SchemaRef{Value: &openapi3.Schema{}}, nil
	case t.Implements(textType):
		return schemaOf("string", ""), nil
	}
	switch t.Kind() {
	case reflect.String:
		return schemaOf("string", ""), nil
	case reflect.Bool:
		return schemaOf("boolean", ""), nil
	case reflect.Int, reflect.Int64, reflect.Uint32:
		return schemaOf("integer", "int64"), nil
	case reflect.Int32, reflect.Int16, reflect.Int8, reflect.Uint16, reflect.Uint8:
		return schemaOf("integer", "int32"), nil
	case reflect.Float64, reflect.Float32:
		return schemaOf("number", "double"), nil
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return schemaOf("string", "byte"), nil
		}
		items, err := s.of(t.Elem())
		if err != nil {
			return nil, err
		}
		list := schemaOf("array", "")
		list.Value.Items = items
		return list, nil
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("%v: only maps with string keys have a JSON form", t)
		}
		values, err := s.of(t.Elem())
		if err != nil {
			return nil, err
		}
		m := schemaOf("object", "")
		m.Value.AdditionalProperties = openapi3.AdditionalProperties{Schema: values}
		return m, nil
	case reflect.Struct:
		ref := schemaOf("object", "")
		return ref, s.fill(ref.Value, t)
	}
	return nil, fmt.Errorf("%v has no JSON form", t)
}

// opaque tells whether a struct writes its own JSON and shows no fields.
func opaque(t reflect.Type) bool {
	if !t.Implements(jsonType) && !t.Implements(textType) {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return false
		}
	}
	return true
}

func (s *schemas) nullable(t reflect.Type) (*openapi3.SchemaRef, error) {
	inner, err := s.of(t)
	if err != nil || inner.Value.Type == nil {
		return inner, err
	}
	if s.byType[t] != nil {
		return &openapi3.SchemaRef{Value: &openapi3.Schema{AnyOf: openapi3.SchemaRefs{inner, schemaOf("null", "")}}}, nil
	}
	if !inner.Value.Type.IncludesNull() {
		types := append(slices.Clone(*inner.Value.Type), "null")
		inner.Value.Type = &types
	}
	return inner, nil
}

func (s *schemas) component(t reflect.Type) (*openapi3.SchemaRef, error) {
	known := s.byType[t]
	if known == nil {
		known = schemaOf("object", "")
		s.byType[t] = known
		if err := s.fill(known.Value, t); err != nil {
			return nil, err
		}
		if t == reflect.TypeFor[money.Money]() {
			known.Value.Description = "An amount in minor units of its currency: 1999 is 19.99 in USD."
			known.Value.Properties["currency"].Value.Pattern = "^[A-Z]{3}$"
			known.Value.Example = map[string]any{"amount": 1999, "currency": "USD"}
		}
	}
	ref := &openapi3.SchemaRef{Value: known.Value}
	s.refs[t] = append(s.refs[t], ref)
	return ref, nil
}

// fill adds the fields of a struct to its schema.
func (s *schemas) fill(schema *openapi3.Schema, t reflect.Type) error {
	if schema.Properties == nil {
		no := false
		schema.Properties = openapi3.Schemas{}
		schema.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			if err := s.fill(schema, f.Type); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			return fmt.Errorf("%v.%s has no json tag: give it a name in JSON, or json:\"-\"", t, f.Name)
		}
		prop, err := s.of(f.Type)
		if err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		if err := applyTags(prop, f, "json"); err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		schema.Properties[name] = prop
		optional := f.Type.Kind() == reflect.Pointer || strings.Contains(opts, "omitempty") || strings.Contains(opts, "omitzero") || f.Tag.Get("required") == "false"
		if !optional || f.Tag.Get("required") == "true" {
			schema.Required = append(schema.Required, name)
		}
	}
	slices.Sort(schema.Required)
	return nil
}

var packagePath = regexp.MustCompile(`[^\[\],]*[./]`)

// typeName is what a type is called in the document: Page[catalog.Product] is Page_Product.
func typeName(t reflect.Type, prefix bool) string {
	name := packagePath.ReplaceAllString(t.Name(), "")
	name = strings.Trim(strings.NewReplacer("[", "_", "]", "", ",", "_", "*", "", "·", "_").Replace(name), "_")
	name = strings.ToUpper(name[:1]) + name[1:]
	if prefix {
		pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
		return strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

// name gives each component its name, with the package in front where two
// types share one, and points the references at it.
func (s *schemas) name() (openapi3.Schemas, error) {
	count := map[string]int{}
	for t := range s.byType {
		count[typeName(t, false)]++
	}
	components := openapi3.Schemas{}
	for t, schema := range s.byType {
		name := typeName(t, count[typeName(t, false)] > 1)
		if components[name] != nil {
			return nil, fmt.Errorf("two types are called %s in the document: rename one (%v)", name, t)
		}
		components[name] = schema
		for _, ref := range s.refs[t] {
			ref.Ref = "#/components/schemas/" + name
		}
	}
	return components, nil
}
