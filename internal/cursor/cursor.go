// Package cursor writes where a list goes on as opaque text, and reads it back.
//
// What belongs here: the one text form of every list of the shop. What does not:
// what a position consists of, and whether one is allowed; each list knows its own.
package cursor

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/banyan-tree/banyan/internal/fault"
)

// maxLength is the longest cursor that is written or read, in characters.
const maxLength = 1024

// Encode writes a position, a small struct of the last item's sort keys. The text
// is not signed: a list must check rights by itself and treat a position as input.
func Encode(position any) (string, error) {
	b, err := json.Marshal(position)
	if err != nil {
		return "", fmt.Errorf("encode cursor: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(b)
	if len(text) > maxLength {
		return "", fmt.Errorf("encode cursor: %d characters are over the limit of %d", len(text), maxLength)
	}
	return text, nil
}

// Decode reads what Encode wrote; "" is the zero position, the start. One position
// has one text: what Encode would write differently is refused. So a field that a
// position gets later must be tagged omitzero, or cursors handed out before are lost.
// Code: Malformed.
func Decode[T any](text string) (T, error) {
	var position, none T
	if text == "" {
		return none, nil
	}
	if len(text) > maxLength {
		return none, Foreign()
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || bytes.Contains(raw, []byte(`\u0000`)) { // which databases do not take as text
		return none, Foreign()
	}
	if json.Unmarshal(raw, &position) != nil {
		return none, Foreign()
	}
	if again, err := Encode(position); err != nil || again != text {
		return none, Foreign()
	}
	return position, nil
}

// Foreign is the refusal of a cursor that no page of this list gave. Code: Malformed.
func Foreign() error {
	return fault.Malformed.Errorf("the cursor is not one of ours: take next_cursor of the page before, unchanged").
		WithField("query/cursor", "is not a cursor of this list")
}
