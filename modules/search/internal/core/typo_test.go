package core

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// spoil makes one mistake in a word.
func spoil(t *rapid.T, w []rune) []rune {
	letter := rapid.RuneFrom([]rune("abcdeé京")).Draw(t, "letter")
	i := rapid.IntRange(0, len(w)-1).Draw(t, "at")
	w = slices.Clone(w)
	switch rapid.IntRange(0, 3).Draw(t, "mistake") {
	case 0:
		w[i] = letter
	case 1:
		w = slices.Insert(w, i, letter)
	case 2:
		w = slices.Delete(w, i, i+1)
	default:
		if i+1 < len(w) {
			w[i], w[i+1] = w[i+1], w[i]
		}
	}
	return w
}

// Whatever mistake is in a word of 4 letters or more, the right one is among those
// that are looked at, and is near enough. What was typed has the letters counted.
func TestOneMistakeIsAlwaysForgiven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		right := rapid.SliceOfN(rapid.RuneFrom([]rune("abcdeé京")), 3, 12).Draw(t, "word")
		typed := string(spoil(t, right))
		letters := utf8.RuneCountInString(typed)
		if letters < oneMistake {
			return
		}
		word, n := string(right), near(typed)
		require.True(t, strings.HasPrefix(word, n.Beginning) || strings.HasPrefix(mirror(word), n.End), "%q is not looked at for %q: %+v", word, typed, n)
		require.GreaterOrEqual(t, len(right), n.Least)
		require.LessOrEqual(t, len(right), n.Most)
		require.LessOrEqual(t, mistakes(typed, word, forgiven(letters)), 1)
		require.Equal(t, mistakes(typed, word, 5), mistakes(word, typed, 5))
	})
}

func TestMistakesAreCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"clay", "clay", 0}, {"clay", "caly", 1}, {"clay", "cla", 1}, {"clay", "xclay", 1}, {"clay", "clax", 1},
		{"clay", "yalc", 3}, {"lantern", "lanetrn", 1}, {"lantern", "latnren", 2}, {"clay", "kettle", 4}, {"café", "cafe", 1},
	} {
		require.Equal(t, min(c.want, 4), mistakes(c.a, c.b, 3), "%s %s", c.a, c.b)
	}
}

func TestHighlightsAreSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab <>&\"'é/;"))).Draw(t, "text")
		terms, _ := parse(rapid.StringOf(rapid.RuneFrom([]rune("ab <>&é"))).Draw(t, "typed"))
		for _, got := range []string{mark(text, terms), snippet(text, terms)} {
			plain := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(got)
			require.False(t, strings.ContainsAny(plain, "<>\""), "%q", got)
			require.Equal(t, strings.Count(got, "<mark>"), strings.Count(got, "</mark>"))
		}
	})
}
