package web

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// formats are the string formats that are checked.
var formats = []string{"email", "uuid", "date-time"}

// applyTags puts the limits in a field's tags into its schema. place is the tag
// that says where the value comes from: json, path, query, header or body.
func applyTags(ref *openapi3.SchemaRef, f reflect.StructField, place string) error {
	tags, err := tagsOf(f.Tag)
	if err != nil {
		return err
	}
	schema, shared := ref.Value, ref.Value.Type == nil || slices.Contains(*ref.Value.Type, "object") && len(ref.Value.Properties) > 0
	each := schema // limits of scalars hold for the items of a list
	if schema.Items != nil {
		each = schema.Items.Value
	}
	for _, tag := range tags {
		key, value := tag[0], tag[1]
		if shared && !slices.Contains([]string{place, "doc", "required"}, key) {
			return fmt.Errorf("tag %s cannot be put on a %v: put it on its fields", key, f.Type)
		}
		if len(each.Properties) > 0 && slices.Contains([]string{"minimum", "maximum", "minLength", "maxLength", "pattern", "format", "enum"}, key) {
			return fmt.Errorf("tag %s cannot be put on %v: put it on the fields of its items", key, f.Type)
		}
		switch key {
		case place, "required":
		case "doc":
			if !shared {
				schema.Description = value
			}
		case "minimum":
			each.Min, err = number(value)
		case "maximum":
			each.Max, err = number(value)
		case "minLength":
			each.MinLength, err = strconv.ParseUint(value, 10, 64)
		case "maxLength":
			each.MaxLength, err = length(value)
		case "minItems":
			schema.MinItems, err = strconv.ParseUint(value, 10, 64)
		case "maxItems":
			schema.MaxItems, err = length(value)
		case "pattern":
			each.Pattern = value
			_, err = regexp.Compile(value)
		case "format":
			each.Format = value
			if !slices.Contains(formats, value) {
				err = fmt.Errorf("unknown format, there are %v", formats)
			}
		case "enum":
			for v := range strings.SplitSeq(value, ",") {
				each.Enum = append(each.Enum, literal(each, v))
			}
			if each.Type.IncludesNull() {
				each.Enum = append(each.Enum, nil)
			}
		case "default":
			schema.Default = literal(schema, value)
		case "example":
			schema.Example = literal(schema, value)
		default:
			err = fmt.Errorf("unknown tag")
		}
		if err != nil {
			return fmt.Errorf("tag %s:%q: %w", key, value, err)
		}
	}
	return nil
}

func number(s string) (*float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	return &f, err
}

func length(s string) (*uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	return &n, err
}

// literal reads a tag's value as the schema's type.
func literal(schema *openapi3.Schema, s string) any {
	if schema.Type.Permits("string") {
		return s
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && schema.Type.Permits("integer") {
		return n
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return s
	}
	return v
}

// tagsOf splits a struct tag into its keys and values, in order.
func tagsOf(tag reflect.StructTag) ([][2]string, error) {
	var tags [][2]string
	rest := strings.TrimSpace(string(tag))
	for rest != "" {
		key, after, ok := strings.Cut(rest, ":")
		quoted, err := strconv.QuotedPrefix(after)
		if !ok || err != nil {
			return nil, fmt.Errorf("struct tag %q is not key:\"value\" pairs", tag)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("struct tag %q: %w", tag, err)
		}
		tags = append(tags, [2]string{key, value})
		rest = strings.TrimSpace(after[len(quoted):])
	}
	return tags, nil
}
