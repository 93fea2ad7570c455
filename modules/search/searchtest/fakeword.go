package searchtest

import (
	"cmp"
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/banyan-tree/banyan/modules/search"
)

// word is a word as the Fake compares it, and where it stands in its text.
type word struct {
	text     string
	from, to int
}

func wordsOf(s string) []word {
	var all []word
	open := false
	for i, r := range s {
		letter, to := fold(r), i+utf8.RuneLen(r)
		switch {
		case open && unicode.Is(unicode.Mn, r):
			all[len(all)-1].to = to
		case open && strings.ContainsRune("'’ʼ", r):
		case letter == "":
			open = false
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			all, open = append(all, word{letter, i, to}), false
		case open:
			all[len(all)-1] = word{all[len(all)-1].text + letter, all[len(all)-1].from, to}
		default:
			all, open = append(all, word{letter, i, to}), true
		}
	}
	return all
}

// fold writes a letter or digit without case and accents; anything else is nothing.
func fold(r rune) string {
	if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		return ""
	}
	if r < utf8.RuneSelf {
		return string(unicode.ToLower(r))
	}
	letters := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(string(r)))
	return strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l").Replace(letters)
}

// keyOf is " clay pot ", in which words are looked for.
func keyOf(texts ...string) string {
	key := " "
	for _, w := range wordsOf(strings.Join(texts, " ")) {
		key += w.text + " "
	}
	return key
}

// parse gives the words of a question; each may be replaced by several.
func parse(text string) [][]string {
	var terms [][]string
	for _, w := range wordsOf(text) {
		if len(terms) < search.MaxWords && !slices.ContainsFunc(terms, func(t []string) bool { return t[0] == w.text }) {
			terms = append(terms, []string{w.text})
		}
	}
	return terms
}

// begins tells whether a key has a word that begins with any of a term's; with
// end " " that is one.
func begins(key string, term []string, end string) bool {
	return slices.ContainsFunc(term, func(w string) bool { return strings.Contains(key, " "+w+end) })
}

// correct replaces words that are in no document by the nearest ones.
func correct(all []document, terms [][]string) ([][]string, []search.Correction) {
	const most = 5
	known := " "
	for _, d := range all {
		known += d.title + d.labels + d.rest
	}
	terms = slices.Clone(terms)
	var replaced []search.Correction
	for i, t := range terms {
		letters, forgiven := []rune(t[0]), 0
		if len(letters) >= 4 && !begins(known, t, "") {
			forgiven = min(len(letters)/4, 2)
		}
		mistakes := map[string]int{}
		for _, w := range strings.Fields(known) {
			for n := forgiven; n > 0 && near(letters, []rune(w), n); n-- {
				mistakes[w] = n
			}
		}
		var instead []string
		for w := range mistakes {
			instead = append(instead, w)
		}
		slices.SortFunc(instead, func(a, b string) int { return cmp.Or(cmp.Compare(mistakes[a], mistakes[b]), cmp.Compare(a, b)) })
		if len(instead) > 0 {
			terms[i] = instead[:min(len(instead), most)]
			replaced = append(replaced, search.Correction{Word: t[0], Instead: terms[i]})
		}
	}
	return terms, replaced
}

// near tells whether at most n letters are to be dropped, added, changed, or
// swapped with their neighbour, to come from a to b.
func near(a, b []rune, n int) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if n == 0 || len(a) == 0 && len(b) == 0 {
		return len(a) == 0 && len(b) == 0
	}
	return len(a) > 0 && near(a[1:], b, n-1) || len(b) > 0 && near(a, b[1:], n-1) ||
		len(a) > 0 && len(b) > 0 && near(a[1:], b[1:], n-1) ||
		len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && near(a[2:], b[2:], n-1)
}

// sought tells whether a word of a text is what terms look for.
func sought(w word, terms [][]string) bool {
	return slices.ContainsFunc(terms, func(t []string) bool { return begins(" "+w.text, t, "") })
}

// mark writes a text as HTML, the words that were found between <mark> and </mark>.
func mark(text string, terms [][]string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	marked, at := "", 0
	for _, w := range wordsOf(text) {
		if sought(w, terms) {
			marked += html.EscapeString(text[at:w.from]) + "<mark>" + html.EscapeString(text[w.from:w.to]) + "</mark>"
			at = w.to
		}
	}
	return marked + html.EscapeString(text[at:])
}

// part is about 200 characters of a text, around the first word found.
func part(text string, terms [][]string) string {
	const long, before = 200, 8 // bytes; words
	words := wordsOf(text)
	if len(text) <= long || len(words) == 0 {
		return text
	}
	first := max(0, slices.IndexFunc(words, func(w word) bool { return sought(w, terms) })-before)
	from, to := words[first].from, words[first].to
	for _, w := range words[first:] {
		if w.to <= from+long {
			to = w.to
		}
	}
	return text[from:to]
}
