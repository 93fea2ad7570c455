package port

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
)

// Encode writes a request or reply as JSON. nil and empty slices and maps stay
// apart (null and []), unless a tag has omitempty; with omitzero they do. A time
// keeps its microseconds, an int64 all its digits.
func Encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write %T: %w", v, err)
	}
	return b, nil
}

// Decode reads what Encode wrote, perhaps by an older or newer version of it.
//
// Fields that are not known are ignored. A field is required, and its absence or
// null an error, unless its tag has omitempty or omitzero, or its type is a
// pointer, slice, map or interface. So a field that is added later must be one of
// those, or old senders are refused.
func Decode(body []byte, into any) error {
	shape := shapeOf(reflect.TypeOf(into).Elem())
	// Only interfaces need a decoder, whose buffer costs more than small bodies do.
	if shape.open || json.Unmarshal(body, into) != nil {
		if err := decode(body, into); err != nil {
			return err
		}
	}
	s := &scanner{in: body}
	if missing := s.value(shape); missing != "" {
		return fmt.Errorf("read %T: %q is missing", into, missing)
	}
	return nil
}

func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // for interfaces, which must not go through float64
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read %T: %w", into, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("read %T: something follows the value", into)
	}
	return nil
}
