package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/banyan-tree/banyan/internal/fault"
)

// maxCursor is the longest cursor that is read, in characters.
const maxCursor = 1024

// EncodeCursor writes where a list goes on as opaque text. position is a small
// struct of the last item's sort keys. The text is not signed: a list must
// check rights by itself and treat the position as input.
func EncodeCursor(position any) (string, error) {
	b, err := json.Marshal(position)
	if err != nil {
		return "", fmt.Errorf("encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// DecodeCursor reads what EncodeCursor wrote; "" is the zero position, the start.
// Code: Malformed for anything else.
func DecodeCursor[T any](cursor string) (T, error) {
	var position T
	if cursor == "" {
		return position, nil
	}
	bad := func() (T, error) {
		var zero T
		return zero, fault.Malformed.Errorf("the cursor is not one of ours: take next_cursor of the page before, unchanged").
			WithField("query/cursor", "is not a cursor of this list")
	}
	if len(cursor) > maxCursor {
		return bad()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return bad()
	}
	if _, err := parseJSON(b); err != nil {
		return bad()
	}
	if strictUnmarshal(b, &position) != nil {
		return bad()
	}
	return position, nil
}
