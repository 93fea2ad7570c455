// Package id makes identifiers. Modules take a Source, so tests can choose.
package id

import (
	"time"

	"github.com/google/uuid"
)

// Source makes a new identifier at each call. Safe for concurrent use.
type Source func() string

// V7 makes UUIDv7 text (RFC 9562): 36 characters, sortable by the time of making.
func V7() string { return uuid.Must(uuid.NewV7()).String() }

// Valid tells whether s is a UUID in its 36-character form.
func Valid(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// Made tells when a UUIDv7 was made, to the millisecond; not ok for any other text.
func Made(s string) (at time.Time, ok bool) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		return time.Time{}, false
	}
	return time.Unix(u.Time().UnixTime()).UTC(), true
}
