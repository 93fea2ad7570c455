package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEmails(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]bool{
		"anna@example.com":                        true,
		"a.b+c@mail.example.co.uk":                true,
		"anna":                                    false,
		"@example.com":                            false,
		"anna@":                                   false,
		"Anna <anna@example.com>":                 false,
		"anna@example.com, bob@example.com":       false,
		"anna@example.com\x00":                    false,
		"anna\r\nbcc: x@example.com":              false,
		"\xff@example.com":                        false,
		strings.Repeat("a", 243) + "@example.com": false,
		strings.Repeat("a", 242) + "@example.com": true,
	} {
		require.Equal(t, want, validEmail(email), "%q", email)
	}
}

func TestNormalFormIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z0-9]{1,20}`).Draw(t, "name")
		space := rapid.StringMatching(`[ \t]{0,3}`).Draw(t, "space")
		email := name + "@Example.com"
		want := normalEmail(email)
		require.Equal(t, want, normalEmail(want))
		require.Equal(t, want, normalEmail(space+strings.ToUpper(email)+space))
		require.True(t, validEmail(want))
	})
}
