package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/banyan-tree/banyan/internal/fault"
)

// maxFindings is how much is told about one request. Who sends more wrong than
// that would make us work, and write, more than they did.
const maxFindings = 20

// findings are what is wrong with a request: what cannot be read (400) and what
// reads well but breaks a limit (422).
type findings struct {
	malformed []fault.Field
	invalid   []fault.Field
}

// full tells whether enough was found, so that nothing more is looked at.
func (f *findings) full() bool {
	return len(f.malformed) >= maxFindings || len(f.invalid) >= maxFindings
}

func (f *findings) add(malformed bool, pointer, detail string) {
	list := &f.invalid
	if malformed {
		list = &f.malformed
	}
	field := fault.Field{Pointer: pointer, Detail: detail}
	if !f.full() && !slices.Contains(*list, field) {
		*list = append(*list, field)
	}
}

// err is nil if nothing was found. What cannot be read goes first.
func (f *findings) err() error {
	var e *fault.Error
	switch {
	case len(f.malformed) > 0:
		e = fault.Malformed.Errorf("the request cannot be read: %s", summary(f.malformed))
		e.Fields = f.malformed
	case len(f.invalid) > 0:
		e = fault.Invalid.Errorf("the request breaks a rule: %s", summary(f.invalid))
		e.Fields = f.invalid
	default:
		return nil
	}
	return e
}

func summary(fields []fault.Field) string {
	s := fields[0].Pointer + " " + fields[0].Detail
	if len(fields) > 1 {
		s += fmt.Sprintf(" (and %d more)", len(fields)-1)
	}
	return s
}

var checkOptions = []openapi3.SchemaValidationOption{
	openapi3.MultiErrors(),
	openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
		"email":     openapi3.NewCallbackValidator(checkEmail),
		"uuid":      openapi3.NewCallbackValidator(checkUUID),
		"date-time": openapi3.NewCallbackValidator(checkTime),
	}),
}

func checkEmail(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 || !strings.Contains(s[strings.LastIndexByte(s, '@'):], ".") {
		return errors.New("must be an e-mail address such as ada@example.org")
	}
	return nil
}

func checkUUID(s string) error {
	if len(s) != 36 || uuid.Validate(s) != nil {
		return errors.New("must be a UUID such as 0190a5a4-7c1e-7c3b-9f5e-3d2b1a0c4e6f")
	}
	return nil
}

func checkTime(s string) error {
	// In UTC the year may be another one; neither JSON nor databases take 0 or 10000.
	if t, err := time.Parse(time.RFC3339, s); err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return errors.New("must be a time such as 2026-01-31T12:00:00Z")
	}
	return nil
}

// check holds a value against its schema and notes what is wrong with it, until
// that is enough. The walk is ours, and only single values go to the library:
// that finds the same, but in time that grows with the square of what is wrong.
func (f *findings) check(ref *openapi3.SchemaRef, value any, pointer string) {
	schema := ref.Value
	if len(schema.AnyOf) > 0 { // a reference or null
		if value == nil {
			return
		}
		schema = schema.AnyOf[0].Value
	}
	switch v := value.(type) {
	case nil:
		if schema.Type != nil && !schema.Type.IncludesNull() {
			f.add(true, pointer, "must not be null")
		}
	case map[string]any:
		if schema.Type.Permits(openapi3.TypeObject) {
			f.object(schema, v, pointer)
		} else {
			f.add(true, pointer, "must be "+typeWords(schema))
		}
	case []any:
		if schema.Type.Permits(openapi3.TypeArray) {
			f.list(schema, v, pointer)
		} else {
			f.add(true, pointer, "must be "+typeWords(schema))
		}
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil && schema.Type.Includes(openapi3.TypeInteger) {
			// 1.0 is whole, and still no integer of ours: encoding/json refuses it, but cannot say where.
			f.add(!errors.Is(err, strconv.ErrRange), pointer, integerWords)
			return
		}
		f.note(schema.VisitJSON(value, checkOptions...), pointer)
	default:
		f.note(schema.VisitJSON(value, checkOptions...), pointer)
	}
}

func (f *findings) object(schema *openapi3.Schema, object map[string]any, pointer string) {
	for _, name := range schema.Required {
		if _, ok := object[name]; !ok {
			f.add(false, pointer+"/"+escapePointer(name), "is required")
		}
	}
	rest, closed := schema.AdditionalProperties.Schema, len(schema.Properties) > 0 || schema.AdditionalProperties.Has != nil
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := pointer + "/" + escapePointer(name)
		switch property := schema.Properties[name]; {
		case f.full():
			return
		case property != nil:
			f.check(property, object[name], at)
		case rest != nil:
			f.check(rest, object[name], at)
		case closed:
			f.add(true, at, "is not a known field")
		}
	}
}

func (f *findings) list(schema *openapi3.Schema, list []any, pointer string) {
	n := uint64(len(list))
	if n < schema.MinItems {
		f.add(false, pointer, "must have at least "+plural(schema.MinItems, "item"))
	}
	if schema.MaxItems != nil && n > *schema.MaxItems {
		f.add(false, pointer, "must have at most "+plural(*schema.MaxItems, "item"))
	}
	if schema.Items == nil {
		return
	}
	for i, item := range list {
		if f.full() {
			return
		}
		f.check(schema.Items, item, pointer+"/"+strconv.Itoa(i))
	}
}

// note reads what the library says of a single value.
func (f *findings) note(err error, pointer string) {
	if err == nil {
		return
	}
	var many openapi3.MultiError
	if errors.As(err, &many) {
		for _, e := range many {
			f.note(e, pointer)
		}
		return
	}
	var e *openapi3.SchemaError
	switch {
	case !errors.As(err, &e):
		f.add(true, pointer, "does not match its schema")
	case e.SchemaField == "type":
		f.add(true, pointer, "must be "+typeWords(e.Schema))
	case e.SchemaField == "format" && strings.HasPrefix(e.Schema.Format, "int"):
		f.add(false, pointer, integerWords)
	default:
		f.add(false, pointer, limitWords(e))
	}
}

// integerWords is for numbers that are whole but not written or sized like one of ours.
const integerWords = "must be integer: a whole number of at most 64 bits, without a point or an exponent"

func typeWords(schema *openapi3.Schema) string {
	return strings.Join(*schema.Type, " or ")
}

// limitWords says which limit is broken, in the words of a person.
func limitWords(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "minLength":
		return fmt.Sprintf("must have at least %s", plural(s.MinLength, "character"))
	case "maxLength":
		return fmt.Sprintf("must have at most %s", plural(*s.MaxLength, "character"))
	case "minimum":
		return "must be at least " + strconv.FormatFloat(*s.Min, 'f', -1, 64)
	case "maximum":
		return "must be at most " + strconv.FormatFloat(*s.Max, 'f', -1, 64)
	case "pattern":
		return "must match " + s.Pattern
	case "enum":
		var words []string
		for _, v := range s.Enum {
			if v != nil {
				words = append(words, fmt.Sprint(v))
			}
		}
		return "must be one of: " + strings.Join(words, ", ")
	case "format":
		switch s.Format {
		case "email":
			return checkEmail("").Error()
		case "uuid":
			return checkUUID("").Error()
		case "date-time":
			return checkTime("").Error()
		}
	}
	return e.Reason
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxPointerToken is how much of a name is told in a pointer, in bytes.
const maxPointerToken = 128

// escapePointer writes one token of a JSON pointer (RFC 6901). A name that is
// longer than any of ours is cut: it would be repeated for all that is in it.
func escapePointer(token string) string {
	if len(token) > maxPointerToken {
		token = strings.ToValidUTF8(token[:maxPointerToken], "") + "…"
	}
	if !strings.ContainsAny(token, "~/") { // nearly always, and asked of every field
		return token
	}
	return pointerEscapes.Replace(token)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
