package id_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
)

// FuzzValid: an id is 36 hexadecimal digits and dashes, in one form, and nothing
// that a URL, a log or SQL could trip over.
func FuzzValid(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if !id.Valid(s) {
			return
		}
		require.Len(t, s, 36)
		require.Empty(t, strings.Trim(s, "0123456789abcdefABCDEF-"))
		u, err := uuid.Parse(s)
		require.NoError(t, err)
		require.Equal(t, strings.ToLower(s), u.String())
	})
}
