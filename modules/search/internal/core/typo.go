package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/modules/search"
)

const (
	oneMistake  = 4 // letters from which on one mistake is forgiven
	twoMistakes = 8
	maxLetters  = 40 // of a word that may be mistyped
	maxNearest  = 20 // nearest words that are looked at
	maxInstead  = 5  // words that stand for one
)

// forgiven is how many mistakes a word of so many letters may have.
func forgiven(letters int) int {
	switch {
	case letters < oneMistake || letters > maxLetters:
		return 0
	case letters < twoMistakes:
		return 1
	}
	return 2
}

// correctable tells whether a word of a document may stand for a mistyped one.
func correctable(w string) bool {
	n := utf8.RuneCountInString(w)
	if n < oneMistake-1 || n > maxLetters+2 {
		return false
	}
	for _, r := range w {
		if unicode.IsLetter(r) {
			return true
		}
	}
	return false
}

// Near says where words near a mistyped one are looked for: among those that
// share its beginning or its end. One mistake, be it two letters in each other's
// place, leaves one of the two as it was; two mistakes leave one of the two
// unless they are in both, and then the word is not found.
type Near struct {
	Beginning string
	End       string // mirrored
	Least     int    // letters
	Most      int
}

func near(word string) Near {
	runes := []rune(word)
	n, mistakes := len(runes), forgiven(len(runes))
	head, tail := (n-1)/2, n-1-(n-1)/2
	if mistakes == 2 {
		head, tail = n/3, n/3
	}
	return Near{Beginning: string(runes[:head]), End: mirror(string(runes[n-tail:])), Least: n - mistakes, Most: n + mistakes}
}

// correct replaces the words that are in no product by the nearest that are. It
// tells what it replaced; nothing where no word is unknown, or none is near one.
func (s *Service) correct(ctx context.Context, terms []Term) ([]Term, []search.Correction, error) {
	var corrections []search.Correction
	corrected := slices.Clone(terms)
	for i, t := range terms {
		word := t[0]
		if forgiven(utf8.RuneCountInString(word)) == 0 {
			continue
		}
		there, err := s.store.Known(ctx, word)
		if err != nil {
			return nil, nil, fmt.Errorf("look for a word: %w", err)
		}
		if there {
			continue
		}
		instead, err := s.nearest(ctx, word)
		if err != nil {
			return nil, nil, err
		}
		if len(instead) > 0 {
			corrected[i] = instead
			corrections = append(corrections, search.Correction{Word: word, Instead: instead})
		}
	}
	return corrected, corrections, nil
}

// nearest gives words of products that are as near as can be to a word that is in none.
func (s *Service) nearest(ctx context.Context, word string) ([]string, error) {
	candidates, err := s.store.Nearby(ctx, near(word))
	if err != nil {
		return nil, fmt.Errorf("look for words like %q: %w", word, err)
	}
	type neighbour struct {
		word           string
		mistakes, same int
	}
	var all []neighbour
	most := forgiven(utf8.RuneCountInString(word))
	for _, c := range candidates {
		if d := mistakes(word, c, most); d <= most {
			all = append(all, neighbour{c, d, shared(word, c)})
		}
	}
	slices.SortFunc(all, func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(a.mistakes, b.mistakes), cmp.Compare(b.same, a.same), cmp.Compare(a.word, b.word))
	})
	var instead []string
	for _, n := range all[:min(len(all), maxNearest)] {
		there, err := s.store.Known(ctx, n.word) // words outlive the documents they came from
		if err != nil {
			return nil, fmt.Errorf("look for a word: %w", err)
		}
		if there {
			if instead = append(instead, n.word); len(instead) == maxInstead {
				break
			}
		}
	}
	return instead, nil
}

// shared is how many letters two words begin with.
func shared(a, b string) int {
	x, y := []rune(a), []rune(b)
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// mistakes is how many letters are to be added, dropped, changed, or swapped with
// their neighbour, to come from a to b; more than most is told as most + 1. It is
// the optimal string alignment distance (Boytsov 2011, "restricted Damerau").
func mistakes(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > most || -d > most {
		return most + 1
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		least := row[0]
		for j := 1; j <= len(y); j++ {
			differ := 1
			if x[i-1] == y[j-1] {
				differ = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+differ)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], most+1)
}
