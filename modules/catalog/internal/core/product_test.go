package core

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/catalog"
)

func TestHandles(t *testing.T) {
	t.Parallel()
	for handle, good := range map[string]bool{
		"fig": true, "fiddle-leaf-fig": true, "a": true, "4-pack": true, "under_score": true, "two--dashes": true, "crème-brûlée": true, "植物": true,
		"Fig": false, "-fig": false, "fig-": false, "a b": false, "a/b": false, "a.b": false, "a?b": false, "a%2fb": false, "a\nb": false,
	} {
		require.Equal(t, good, handleForm.MatchString(handle), "%q", handle)
	}
}

func TestCleanTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := clean(catalog.ProductInput{
		Handle: "Fig", Vendor: "\xff", Tags: []string{""}, DescriptionHTML: strings.Repeat("x", maxDescription+1),
		Images:   []catalog.Image{{Src: "//host/x"}},
		Variants: []catalog.Variant{{SKU: strings.Repeat("é", 101), WeightGrams: -1}},
	})
	require.ErrorIs(t, err, catalog.InvalidProduct)
	pointers := []string{}
	for _, f := range fault.From(err).Fields {
		pointers = append(pointers, f.Pointer)
	}
	require.Equal(t, []string{
		"/title", "/vendor", "/handle", "/description_html", "/tags/0", "/images/0/src", "/variants/0/sku", "/variants/0/weight_grams",
	}, pointers)
	require.Equal(t, "title is missing; vendor is not UTF-8; handle may have lower-case letters, digits, and - or _ between them; and 5 more", fault.From(err).Message)
}

func TestSanitise(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" plain text ":                      "plain text",
		"<p>a &amp; <b>b</b></p>":           "<p>a &amp; <b>b</b></p>",
		"<script>alert(1)</script>":         "",
		"<img src=x onerror=alert(1)>":      `<img src="x">`,
		`<iframe src="https://x"></iframe>`: "",
		`<a href="javascript:x()">y</a>`:    "y",
		`<p style="position:fixed">y</p>`:   "<p>y</p>",
	} {
		require.Equal(t, want, sanitise(in))
	}
}

// What came out of clean goes through it unchanged: a product that is read and
// written back is no change.
func TestCleanIsStable(t *testing.T) {
	t.Parallel()
	good := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äß植]{1,20}`)
		in := catalog.ProductInput{
			Handle: rapid.StringMatching(`[a-z0-9]{1,8}(-[a-z0-9]{1,8})?`).Draw(t, "handle"),
			Title:  text.Draw(t, "title"), Vendor: text.Draw(t, "vendor"), Category: text.Draw(t, "category"),
			DescriptionHTML: rapid.OneOf(text, rapid.StringMatching(`(<[a-z/]{1,5}( [a-z]+="[a-z:<>&']*")?>|[a-z&;<> "']){0,30}`)).Draw(t, "html"),
			Tags:            rapid.SliceOfN(text, 0, 3).Draw(t, "tags"),
			Variants: []catalog.Variant{{
				SKU: text.Draw(t, "sku"), Title: text.Draw(t, "variant"), WeightGrams: rapid.Int64Range(0, 5).Draw(t, "grams"),
				Options: []catalog.Option{{Name: "Size", Value: text.Draw(t, "value")}},
			}},
		}
		once, err := clean(in)
		if err != nil {
			return
		}
		require.True(t, utf8.ValidString(once.DescriptionHTML))
		require.NotContains(t, strings.ToLower(once.DescriptionHTML), "<script")
		twice, err := clean(once)
		require.NoError(t, err)
		require.Equal(t, once, twice)
		good++
	})
	require.Positive(t, good, "no input was good, so nothing was tested")
}

// FuzzCursor: a cursor is refused as malformed, or is a place that a page can end
// at: within the years a database knows, with an id that is plain text.
func FuzzCursor(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseCursor(s)
		if err != nil {
			require.ErrorIs(t, err, fault.Malformed)
			require.Zero(t, p)
			return
		}
		again, err := p.cursor()
		require.NoError(t, err)
		require.Equal(t, s, again)
		require.True(t, plain(p.ID))
		require.True(t, p.CreatedAt.Year() >= 1970 && p.CreatedAt.Year() <= 9999, p.CreatedAt)
	})
}

func TestCursor(t *testing.T) {
	t.Parallel()
	want := Position{CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC), ID: "0190"}
	text, err := want.cursor()
	require.NoError(t, err)
	got, err := parseCursor(text)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, bad := range []string{"", "zzz", "MTIz", "LTEgYQ", `{"at":1,"id":""}`, `{"at":-1,"id":"a"}`, `{"at":253402300800000000,"id":"a"}`, `{"at":1,"id":"é"}`} {
		for _, text := range []string{bad, base64.RawURLEncoding.EncodeToString([]byte(bad))} {
			_, err := parseCursor(text)
			require.ErrorIs(t, err, fault.Malformed, bad)
		}
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	order := []string{catalog.Draft, catalog.Published, catalog.Archived}
	for i, from := range order {
		for j, to := range order {
			require.Equal(t, i <= j, move("fig", from, to) == nil, "%s to %s", from, to)
		}
	}
}
