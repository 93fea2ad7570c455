package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// binding knows how to make a route's In from a request. It is computed once,
// at registration. Only tagged fields are ever filled, so a body cannot
// overwrite what came from the path.
type binding struct {
	typ    reflect.Type
	params []param
	body   []int // index of the body field, nil without one
	schema *openapi3.SchemaRef
	known  map[string]bool // query parameters
}

// param is one field that is filled from the path, the query or a header.
type param struct {
	place    string // path, query, header
	name     string
	index    []int
	schema   *openapi3.SchemaRef
	required bool
	pointer  string // in what is said of it
}

func newBinding(s *schemas, t reflect.Type) (*binding, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v: the request type must be a struct with tagged fields", t)
	}
	b := &binding{typ: t, known: map[string]bool{}}
	return b, b.scan(s, t, nil)
}

func (b *binding) scan(s *schemas, t reflect.Type, prefix []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(prefix), i)
		place, name := "", ""
		for _, p := range []string{"path", "query", "header", "body"} {
			if v, ok := f.Tag.Lookup(p); ok {
				if place != "" {
					return fmt.Errorf("%v.%s has two places: %s and %s", t, f.Name, place, p)
				}
				place, name = p, v
			}
		}
		switch {
		case place == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			if err := b.scan(s, f.Type, index); err != nil {
				return err
			}
			continue
		case place == "":
			return fmt.Errorf("%v.%s has no path, query, header or body tag", t, f.Name)
		case !f.IsExported():
			return fmt.Errorf("%v.%s is not exported", t, f.Name)
		}
		ref, err := s.of(f.Type)
		if err == nil {
			err = applyTags(ref, f, place)
		}
		if err == nil && place != "body" {
			err = scalar(f.Type)
		}
		if err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		if place == "body" {
			if b.body != nil {
				return fmt.Errorf("%v has two bodies", t)
			}
			b.body, b.schema = index, ref
			continue
		}
		if name == "" {
			return fmt.Errorf("%v.%s: the %s tag needs a name", t, f.Name, place)
		}
		if place == "query" {
			b.known[name] = true
		}
		required := place == "path" || f.Tag.Get("required") == "true"
		b.params = append(b.params, param{place, name, index, notNull(ref), required, place + "/" + escapePointer(name)})
	}
	return nil
}

// notNull is the schema of an optional parameter: there is no null in a URL.
func notNull(ref *openapi3.SchemaRef) *openapi3.SchemaRef {
	if ref.Value.Type == nil {
		return ref
	}
	types := slices.DeleteFunc(slices.Clone(*ref.Value.Type), func(t string) bool { return t == "null" })
	ref.Value.Type = &types
	ref.Value.Enum = slices.DeleteFunc(ref.Value.Enum, func(v any) bool { return v == nil })
	return ref
}

// scalar refuses types that have no form in a URL or header.
func scalar(t reflect.Type) error {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch {
	case t == timeType:
		return nil
	case slices.Contains([]reflect.Kind{reflect.String, reflect.Bool, reflect.Int, reflect.Int64}, t.Kind()):
		return nil
	}
	return fmt.Errorf("%v cannot be a parameter: use string, int, int64, bool, time.Time, a list or pointer of these", t)
}

// mismatches compares the path with the fields that are filled from it.
func (b *binding) mismatches(path string) []string {
	var list []string
	names := paramNames(path)
	for _, p := range b.params {
		if p.place == "path" && !slices.Contains(names, p.name) {
			list = append(list, fmt.Sprintf("path:%q is not in the path", p.name))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(b.params, func(p param) bool { return p.place == "path" && p.name == name }) {
			list = append(list, fmt.Sprintf("no field is tagged path:%q", name))
		}
	}
	return list
}

// bind makes In from the request, with all that is wrong in one error. body is
// the parsed body, nil without one; pathValue gives a path parameter, decoded.
func (b *binding) bind(r *http.Request, pathValue func(string) string, raw []byte, body any) (reflect.Value, error) {
	in := reflect.New(b.typ).Elem()
	var found findings
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		found.add(true, "query", "is not well-formed")
	}
	for _, name := range b.unknown(query) {
		found.add(true, "query/"+escapePointer(name), "is not a known parameter")
	}
	for _, p := range b.params {
		var values []string
		switch p.place {
		case "path":
			values = []string{pathValue(p.name)}
		case "query":
			values = query[p.name]
		case "header":
			values = r.Header[textproto.CanonicalMIMEHeaderKey(p.name)]
		}
		p.set(in.FieldByIndex(p.index), values, &found)
	}
	if b.body != nil {
		found.check(b.schema, body, "")
		if len(found.malformed) == 0 {
			decodeBody(raw, in.FieldByIndex(b.body), &found)
		}
	}
	return in, found.err()
}

// exampleOf reads an example of the body, which must be one that bind takes.
func (b *binding) exampleOf(text string) (any, error) {
	if b.body == nil {
		return nil, errors.New("the route takes no body")
	}
	example, err := parseJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	var found findings
	found.check(b.schema, example, "")
	return example, found.err()
}

// unknown gives the names of a query that the route does not know.
func (b *binding) unknown(query url.Values) (names []string) {
	for name := range query {
		if !b.known[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// decodeBody fills the body field. The schema has been checked already; what is
// left to fail is a number too big for its type or with a fraction of zero.
func decodeBody(raw []byte, field reflect.Value, found *findings) {
	if field.Type() == rawType { // wanted byte for byte, so with the spaces around it
		field.SetBytes(bytes.Clone(raw))
		return
	}
	err := json.Unmarshal(raw, field.Addr().Interface())
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil || len(found.invalid) > 0:
	case errors.As(err, &wrong):
		found.add(true, "/"+strings.ReplaceAll(wrong.Field, ".", "/"), integerWords)
	default:
		found.add(true, "", "cannot be read")
	}
}

func (p param) set(field reflect.Value, values []string, found *findings) {
	list := field.Kind() == reflect.Slice
	switch {
	case len(values) == 0 && p.schema.Value.Default != nil && !list:
		values = []string{fmt.Sprint(p.schema.Value.Default)}
	case len(values) == 0:
		if p.required {
			found.add(false, p.pointer, "is required")
		}
		return
	case len(values) > 1 && !list:
		found.add(true, p.pointer, "is given more than once")
		return
	}
	if slices.ContainsFunc(values, func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }) {
		found.add(true, p.pointer, "is not text")
		return
	}
	target := field
	if field.Kind() == reflect.Pointer {
		target = reflect.New(field.Type().Elem()).Elem()
	}
	var checked any
	var err error
	if list {
		target = reflect.MakeSlice(field.Type(), len(values), len(values))
		items := make([]any, len(values))
		for i, v := range values {
			var e error
			items[i], e = setScalar(target.Index(i), v)
			err = errors.Join(err, e)
		}
		checked = items
	} else {
		checked, err = setScalar(target, values[0])
	}
	if err != nil {
		found.add(true, p.pointer, "must be "+strings.TrimPrefix(typeWords(leaf(p.schema)), "array of "))
		return
	}
	found.check(p.schema, checked, p.pointer)
	if field.Kind() == reflect.Pointer {
		target = target.Addr()
	}
	field.Set(target)
}

func leaf(ref *openapi3.SchemaRef) *openapi3.Schema {
	if ref.Value.Items != nil {
		return ref.Value.Items.Value
	}
	return ref.Value
}

// setScalar reads text into v, and gives the value the schema is held against.
func setScalar(v reflect.Value, text string) (any, error) {
	switch {
	case v.Type() == timeType:
		t, err := time.Parse(time.RFC3339, text)
		if err == nil {
			v.Set(reflect.ValueOf(t.UTC()))
		}
		return text, nil // the schema's format says what is wrong
	case v.Kind() == reflect.Bool:
		b := text == "true"
		if !b && text != "false" {
			return nil, strconv.ErrSyntax
		}
		v.SetBool(b)
		return b, nil
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return n, err
	}
	v.SetString(text)
	return text, nil
}
