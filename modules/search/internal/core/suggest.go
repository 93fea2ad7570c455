package core

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/modules/search"
)

// mostLabels is how many of the suggestions may be categories and vendors.
const mostLabels = 3

// fewLetters is up to how many letters only the beginnings of titles are
// suggested: too many products have such a word somewhere.
const fewLetters = 1

// Suggest implements search.Service.
func (s *Service) Suggest(ctx context.Context, req search.SuggestRequest) (search.Suggestions, error) {
	if req.Limit < 1 || req.Limit > search.MaxSuggestions {
		return search.Suggestions{}, search.Invalid.Errorf("the question is not valid").
			WithField("query/limit", fmt.Sprintf("must be 1 to %d", search.MaxSuggestions))
	}
	terms, _ := parse(req.Text)
	if len(terms) == 0 {
		return search.Suggestions{Items: []search.Suggestion{}}, nil
	}
	found, err := s.complete(ctx, terms, req.Limit)
	if err != nil || len(found) > 0 {
		return search.Suggestions{Items: found}, err
	}
	terms, corrections, err := s.correct(ctx, terms)
	if err != nil || len(corrections) == 0 {
		return search.Suggestions{Items: found}, err
	}
	found, err = s.complete(ctx, terms, req.Limit)
	return search.Suggestions{Items: found}, err
}

func (s *Service) complete(ctx context.Context, terms []Term, limit int) ([]search.Suggestion, error) {
	items := []search.Suggestion{}
	seen := map[string]bool{}
	add := func(kind, text, handle string) {
		if key := kind + keyOf(textsOf(maxDocumentWords, text)); len(items) < limit && !seen[key] {
			seen[key] = true
			items = append(items, search.Suggestion{Kind: kind, Text: text, Highlight: mark(text, terms), Handle: handle})
		}
	}
	beginning, plain := "", true
	for _, t := range terms {
		beginning += " " + t[0]
		plain = plain && len(t) == 1
	}
	labels, err := s.store.Labels(ctx, beginning[1:], mostLabels)
	if err != nil {
		return nil, fmt.Errorf("suggest: %w", err)
	}
	for _, l := range labels {
		add(l.Kind, l.Value, "")
	}
	if plain {
		hits, err := s.store.Titles(ctx, beginning, limit)
		if err != nil {
			return nil, fmt.Errorf("suggest: %w", err)
		}
		for _, h := range hits {
			add(search.OfProduct, h.Content.Title, h.Content.Handle)
		}
	}
	if len(items) == limit || plain && len(terms) == 1 && utf8.RuneCountInString(terms[0][0]) <= fewLetters {
		return items, nil
	}
	hits, err := s.store.TitleHits(ctx, terms, limit)
	if err != nil {
		return nil, fmt.Errorf("suggest: %w", err)
	}
	for _, h := range hits {
		add(search.OfProduct, h.Content.Title, h.Content.Handle)
	}
	return items, nil
}
