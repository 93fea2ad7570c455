package cursor_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/fault"
)

type position struct {
	At string `json:"at"`
	ID string `json:"id"`
	N  int64  `json:"n"`
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := position{rapid.StringMatching(`[ -~é]{0,40}`).Draw(t, "at"), rapid.StringMatching(`[a-z]{0,36}`).Draw(t, "id"), rapid.Int64().Draw(t, "n")}
		text, err := cursor.Encode(want)
		require.NoError(t, err)
		got, err := cursor.Decode[position](text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestOnePositionHasOneText(t *testing.T) {
	t.Parallel()
	const good = `{"at":"a","id":"b","n":1}`
	text := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	got, err := cursor.Decode[position](text(good))
	require.NoError(t, err)
	require.Equal(t, position{"a", "b", 1}, got)
	for name, bad := range map[string]string{
		"null":            text(`null`),
		"nothing in it":   text(`{}`),
		"another order":   text(`{"id":"b","at":"a","n":1}`),
		"a space":         text(` ` + good),
		"a second value":  text(good + good),
		"twice":           text(`{"at":"a","at":"a","id":"b","n":1}`),
		"unknown":         text(`{"at":"a","id":"b","n":1,"x":1}`),
		"other case":      text(`{"AT":"a","id":"b","n":1}`),
		"float":           text(`{"at":"a","id":"b","n":1.0}`),
		"exponent":        text(`{"at":"a","id":"b","n":1e0}`),
		"too large":       text(`{"at":"a","id":"b","n":9223372036854775808}`),
		"NUL":             text(`{"at":"\u0000","id":"b","n":1}`),
		"lone surrogate":  text(`{"at":"\ud800","id":"b","n":1}`),
		"not UTF-8":       text("{\"at\":\"\xff\",\"id\":\"b\",\"n\":1}"),
		"padded":          text(good) + "=",
		"a line break":    text(good[:12]) + "\n" + text(good[12:]),
		"spare bits":      text(good)[:len(text(good))-1] + "R",
		"another list's":  text(`{"id":"b"}`),
		"standard base64": "+/+/",
		"long":            text(`{"at":"` + strings.Repeat("a", 2000) + `","id":"b","n":1}`),
	} {
		p, err := cursor.Decode[position](bad)
		require.ErrorIs(t, err, fault.Malformed, name)
		require.Zero(t, p, name)
	}
	_, err = cursor.Encode(position{At: strings.Repeat("a", 2000)})
	require.ErrorContains(t, err, "limit", "what could not be read again is not written")
}

// FuzzDecode: whatever text comes is refused as malformed, or is the very text
// that Encode gives for what was read.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		p, err := cursor.Decode[position](text)
		if err != nil {
			require.ErrorIs(t, err, fault.Malformed)
			require.NotContains(t, err.Error(), "json")
			require.Zero(t, p)
			return
		}
		if text == "" {
			require.Zero(t, p)
			return
		}
		again, err := cursor.Encode(p)
		require.NoError(t, err)
		require.Equal(t, text, again)
		require.NotContains(t, p.At+p.ID, "\x00")
	})
}
