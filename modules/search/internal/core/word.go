package core

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord bounds one word, in bytes: longer ones are cut, in documents and in
// questions alike.
const maxWord = 64

// word is one word of a text as it is compared: without case and accents.
type word struct {
	text       string
	start, end int // where it stands in the original, in bytes
}

// wordsOf cuts a text into its words: runs of letters and digits. An apostrophe
// inside of one is not there ("women's" is "womens"). Scripts that put no space
// between words give a word a letter.
func wordsOf(s string) []word {
	var all []word
	var current strings.Builder
	start, end := 0, 0
	flush := func() {
		if current.Len() > 0 {
			all = append(all, word{cut(current.String()), start, end})
			current.Reset()
		}
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		next := i + size
		switch {
		case unicode.Is(unicode.Mn, r):
			if current.Len() > 0 {
				end = next
			}
		case apostrophe(r) && current.Len() > 0:
		case single(r):
			flush()
			start, end = i, next
			fold(&current, r)
			flush()
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			if current.Len() == 0 {
				start = i
			}
			fold(&current, r)
			end = next
		default:
			flush()
		}
		i = next
	}
	flush()
	return all
}

func apostrophe(r rune) bool { return r == '\'' || r == '’' || r == 'ʼ' }

// single tells whether a letter is a word of its own.
func single(r rune) bool {
	return r >= 0x2e80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) ||
		r >= 0x0e00 && unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// letters that Unicode does not take apart, but people do.
var letters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŋ': "n", 'ſ': "s",
}

// fold writes a letter as it is compared.
func fold(to *strings.Builder, r rune) {
	if r < utf8.RuneSelf {
		to.WriteRune(unicode.ToLower(r))
		return
	}
	for _, part := range norm.NFKD.String(string(r)) {
		part = unicode.ToLower(part)
		switch plain, known := letters[part]; {
		case known:
			to.WriteString(plain)
		case unicode.IsLetter(part) || unicode.IsNumber(part):
			to.WriteRune(part)
		}
	}
}

// cut bounds a word without cutting a letter.
func cut(s string) string {
	if len(s) <= maxWord {
		return s
	}
	n := maxWord
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// textsOf gives the words of texts, at most so many.
func textsOf(most int, texts ...string) []string {
	var all []string
	for _, t := range texts {
		for _, w := range wordsOf(t) {
			if len(all) == most {
				return all
			}
			all = append(all, w.text)
		}
	}
	return all
}

// keyOf is words in the form in which beginnings and ends of words are looked
// for: " clay pot ".
func keyOf(words []string) string {
	if len(words) == 0 {
		return " "
	}
	return " " + strings.Join(words, " ") + " "
}

// mirror is a word backwards.
func mirror(s string) string {
	runes := []rune(s)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}
