package contract

import (
	"slices"
	"strconv"
	"strings"
)

// fields compares two schemas of one part of a message.
type fields struct {
	*comparison
	subject, part string
	under         map[[2]*Schema]bool // that are being compared: types may contain themselves
}

func (f *fields) tell(r Rule, path, at, was, is string) {
	f.add(Change{Rule: r, Subject: f.subject, Part: f.part, Path: path, At: at, Was: was, Is: is})
}

// compare tells the differences at path; at names the type and field for a reader.
func (f *fields) compare(was, is *Schema, path, at string) {
	was, is, nullBefore, nullAfter := was.bare(), is.bare(), was.nullable(), is.nullable()
	was, atBefore := f.was.resolve(was, at)
	is, at = f.is.resolve(is, at)
	_ = atBefore // a type may have another name today; its form counts
	if f.under[[2]*Schema{was, is}] {
		return
	}
	f.under[[2]*Schema{was, is}] = true
	defer delete(f.under, [2]*Schema{was, is})
	if was.form() != is.form() {
		f.tell(typeChanged, path, at, was.form(), is.form())
		return
	}
	switch {
	case nullBefore && !nullAfter:
		f.tell(nullForbidden, path, at, "", "")
	case !nullBefore && nullAfter:
		f.tell(nullAllowed, path, at, "", "")
	}
	f.enum(was, is, path, at)
	switch {
	case was.Items != nil && is.Items != nil:
		f.compare(was.Items, is.Items, path+"[]", at+"[]")
	case was.Values != nil && is.Values != nil:
		f.compare(was.Values, is.Values, path+"{}", at+"{}")
	}
	for _, name := range keysOf(was.Properties, is.Properties) {
		f.field(was, is, name, path, at)
	}
}

func (f *fields) field(was, is *Schema, name, path, at string) {
	before, after := was.Properties[name], is.Properties[name]
	inner := strings.TrimPrefix(path+"."+name, ".")
	at += "." + name
	needed, needs := slices.Contains(was.Required, name), slices.Contains(is.Required, name)
	switch {
	case after == nil:
		f.tell(fieldRemoved, inner, at, before.bare().short(), "")
	case before == nil && needs:
		f.tell(fieldNeeded, inner, at, "", after.bare().short())
	case before == nil:
		f.tell(fieldAdded, inner, at, "", after.bare().short())
	case needed != needs:
		// Whether it may be null comes along with that, and is not told twice.
		if needs {
			f.tell(nowRequired, inner, at, "", "")
		} else {
			f.tell(nowOptional, inner, at, "", "")
		}
		f.compare(before.bare(), after.bare(), inner, at)
	default:
		f.compare(before, after, inner, at)
	}
}

// enum compares the values of an enumeration; text that may be anything is the
// widest of all.
func (f *fields) enum(was, is *Schema, path, at string) {
	var gone, fresh []string
	switch {
	case len(was.Enum) == 0 && len(is.Enum) == 0:
		return
	case len(was.Enum) == 0:
		if f.part == "request" { // what was taken may be refused now
			gone = []string{"any other text"}
		}
	case len(is.Enum) == 0:
		fresh = []string{"any other text"}
	default:
		gone, fresh = without(was.Enum, is.Enum), without(is.Enum, was.Enum)
	}
	if len(gone) > 0 {
		f.tell(enumNarrowed, path, at, strings.Join(gone, ", "), "")
	}
	if len(fresh) > 0 {
		r := enumTold
		if f.part == "request" {
			r = enumAsked
		}
		f.tell(r, path, at, "", strings.Join(fresh, ", "))
	}
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return slices.Contains(others, v) })
}

// bare is the schema without "or null".
func (s *Schema) bare() *Schema {
	if len(s.AnyOf) > 0 {
		return s.AnyOf[0]
	}
	return s
}

// resolve follows a reference, and names the type it leads to.
func (d *Document) resolve(s *Schema, at string) (*Schema, string) {
	for s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, refPrefix)
		next := d.Defs[name]
		if next == nil {
			return &Schema{GoType: "the missing definition " + name}, at
		}
		s, at = next, name
	}
	return s, at
}

// form is what must stay the same for both sides to read a value.
func (s *Schema) form() string {
	text := s.Type
	for _, more := range []string{s.Format, s.Encoding, s.GoType} {
		if more != "" {
			text = strings.TrimSpace(text + " (" + more + ")")
		}
	}
	switch {
	case s.Items != nil:
		return "array"
	case s.Values != nil:
		return "map"
	case text == "":
		return "anything"
	}
	return text
}

// short is a form in which a reader finds the type.
func (s *Schema) short() string {
	if s.Ref != "" {
		return strings.TrimPrefix(s.Ref, refPrefix)
	}
	if s.Items != nil {
		return "array of " + s.Items.bare().short()
	}
	return s.form()
}

func number(n int) string { return strconv.Itoa(n) }
