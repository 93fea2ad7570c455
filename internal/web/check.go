package web

import (
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/banyan-tree/banyan/internal/fault"
)

// findings are what is wrong with a request: what cannot be read (400) and what
// reads well but breaks a limit (422).
type findings struct {
	malformed []fault.Field
	invalid   []fault.Field
}

func (f *findings) add(malformed bool, pointer, detail string) {
	list := &f.invalid
	if malformed {
		list = &f.malformed
	}
	for _, known := range *list {
		if known.Pointer == pointer && known.Detail == detail {
			return
		}
	}
	*list = append(*list, fault.Field{Pointer: pointer, Detail: detail})
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
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return errors.New("must be a time such as 2026-01-31T12:00:00Z")
	}
	return nil
}

// check holds a value against its schema and notes all that is wrong with it.
func (f *findings) check(schema *openapi3.SchemaRef, value any, pointer string) {
	f.note(schema.Value.VisitJSON(value, checkOptions...), pointer)
}

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
	if !errors.As(err, &e) {
		f.add(true, pointer, "does not match its schema")
		return
	}
	for _, token := range e.JSONPointer() {
		pointer += "/" + escapePointer(token)
	}
	if e.Value == nil && e.SchemaField != "required" { // whatever limit it breaks first
		f.add(true, pointer, "must not be null")
		return
	}
	switch e.SchemaField {
	case "anyOf": // a reference or null: look into the reference
		f.note(e.Schema.AnyOf[0].Value.VisitJSON(e.Value, checkOptions...), pointer)
	case "properties":
		object, _ := e.Value.(map[string]any)
		for name := range object {
			if e.Schema.Properties[name] == nil {
				f.add(true, pointer+"/"+escapePointer(name), "is not a known field")
			}
		}
	case "type":
		f.add(true, pointer, "must be "+typeWords(e.Schema))
	case "required":
		f.add(false, pointer, "is required")
	default:
		f.add(false, pointer, limitWords(e))
	}
}

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
	case "minItems":
		return fmt.Sprintf("must have at least %s", plural(s.MinItems, "item"))
	case "maxItems":
		return fmt.Sprintf("must have at most %s", plural(*s.MaxItems, "item"))
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

// escapePointer writes one token of a JSON pointer (RFC 6901).
func escapePointer(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}
