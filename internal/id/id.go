// Package id makes identifiers. Modules take a Source, so tests can choose.
package id

import "github.com/google/uuid"

// Source makes a new identifier at each call. Safe for concurrent use.
type Source func() string

// V7 makes UUIDv7 text (RFC 9562): 36 characters, sortable by the time of making.
func V7() string { return uuid.Must(uuid.NewV7()).String() }

// Valid tells whether s is a UUID in its 36-character form.
func Valid(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
