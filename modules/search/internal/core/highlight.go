package core

import (
	"html"
	"strings"
	"unicode/utf8"
)

const (
	snippetLength = 200 // bytes, about
	snippetLead   = 60  // bytes before the first word that was found
)

// mark writes text as HTML with the words that terms found between <mark> and
// </mark>. Everything else is escaped, so there is no other markup in it.
func mark(text string, terms []Term) string {
	var b strings.Builder
	at := 0
	for _, w := range wordsOf(text) {
		if !hits(w.text, terms) {
			continue
		}
		b.WriteString(escape(text[at:w.start]))
		b.WriteString("<mark>" + escape(text[w.start:w.end]) + "</mark>")
		at = w.end
	}
	return b.String() + escape(text[at:])
}

func escape(s string) string { return html.EscapeString(strings.ToValidUTF8(s, "\uFFFD")) }

func hits(word string, terms []Term) bool {
	for _, t := range terms {
		for _, beginning := range t {
			if strings.HasPrefix(word, beginning) {
				return true
			}
		}
	}
	return false
}

// snippet is mark of the part of a long text in which the first word was found,
// or of its beginning.
func snippet(text string, terms []Term) string {
	from := 0
	if len(terms) > 0 {
		for _, w := range wordsOf(text) {
			if hits(w.text, terms) {
				from = max(0, w.start-snippetLead)
				break
			}
		}
	}
	from = atSpace(text, from)
	to := len(text)
	if to-from > snippetLength {
		to = from + snippetLength
		if space := strings.LastIndexByte(text[from:to], ' '); space > 0 {
			to = from + space
		}
		for to > from && !utf8.RuneStart(text[to]) {
			to--
		}
	}
	marked := mark(text[from:to], terms)
	if from > 0 {
		marked = "… " + marked
	}
	if to < len(text) {
		marked += " …"
	}
	return marked
}

// atSpace moves a place in a text to the beginning of a word.
func atSpace(text string, i int) int {
	if i == 0 {
		return 0
	}
	if space := strings.IndexByte(text[i:min(len(text), i+snippetLead)], ' '); space >= 0 {
		return i + space + 1
	}
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return i
}
