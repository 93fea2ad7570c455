package searchtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/search"
)

// Fake is search in memory. Safe for concurrent use. It keeps no index: each
// question reads every product. Its price facet is that of a shop in USD.
type Fake struct {
	mu       sync.Mutex
	products map[string]catalog.Product
	prices   map[string]pricing.Price
	levels   map[string]inventory.Level
	versions map[string]int64 // by topic and aggregate
}

var _ search.Service = (*Fake)(nil)

// NewFake makes a search that has heard of nothing.
func NewFake() *Fake {
	return &Fake{
		products: map[string]catalog.Product{}, prices: map[string]pricing.Price{},
		levels: map[string]inventory.Level{}, versions: map[string]int64{},
	}
}

// Harness is the Fake as the suite and a Shelf take it.
func (f *Fake) Harness() Harness { return Harness{Service: f, Hear: f.Hear} }

// Hear takes what catalog, pricing and inventory say. What is older than what it
// knows is passed over. An event of anybody else is an error.
func (f *Fake) Hear(events ...event.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		key := e.Topic + " " + e.AggregateID
		if e.Version <= f.versions[key] {
			continue
		}
		switch said := e.Payload().(type) {
		case catalog.ProductChanged:
			f.products[e.AggregateID] = said.Product
		case pricing.Price:
			f.prices[e.AggregateID] = said
		case inventory.Level:
			f.levels[e.AggregateID] = said
		default:
			return fmt.Errorf("search does not listen to %s: tell it of products, prices and stock", e.Type)
		}
		f.versions[key] = e.Version
	}
	return nil
}

// Find implements search.Service.
func (f *Fake) Find(_ context.Context, req search.FindRequest) (search.Results, error) {
	req.Sort = cmp.Or(req.Sort, search.Relevance)
	if err := check(req); err != nil {
		return search.Results{}, err
	}
	after, err := cursor.Decode[place](req.After)
	if err != nil || req.After != "" && after.Sort != req.Sort {
		return search.Results{}, cursor.Foreign()
	}
	all, terms := f.documents(), parse(req.Text)
	r, err := answer(all, terms, req, after)
	if err == nil && r.Total == 0 {
		if terms, replaced := correct(all, terms); len(replaced) > 0 {
			r, err = answer(all, terms, req, after)
			r.Corrections = replaced
		}
	}
	return r, err
}

func check(req search.FindRequest) error {
	bad := search.Invalid.Errorf("the question is not valid")
	if req.Limit < 1 || req.Limit > search.MaxPage {
		bad.WithField("query/limit", "is out of range")
	}
	if !slices.Contains([]string{search.Relevance, search.Cheapest, search.Dearest, search.Newest}, req.Sort) {
		bad.WithField("query/sort", "is no order")
	}
	if req.MinPrice != nil && *req.MinPrice < 0 {
		bad.WithField("query/min_price", "is below 0")
	}
	if req.MaxPrice != nil && (*req.MaxPrice < 0 || req.MinPrice != nil && *req.MinPrice > *req.MaxPrice) {
		bad.WithField("query/max_price", "is below 0 or min_price")
	}
	if filters := req.Category + req.Vendor; strings.ContainsRune(filters, 0) || !utf8.ValidString(filters) {
		bad.WithField("query/category", "is no text")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// place is where a document stands in a list, and what a cursor holds of it.
type place struct {
	Sort  string
	Score int64
	Price int64
	At    int64 // unix microseconds
	ID    string
}

func compare(a, b place) int {
	newest := cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.ID, a.ID))
	switch a.Sort {
	case search.Relevance:
		return cmp.Or(cmp.Compare(b.Score, a.Score), newest)
	case search.Cheapest:
		return cmp.Or(cmp.Compare(a.Price, b.Price), cmp.Compare(a.ID, b.ID))
	case search.Dearest:
		return cmp.Or(cmp.Compare(b.Price, a.Price), cmp.Compare(b.ID, a.ID))
	}
	return newest
}

// Suggest implements search.Service: labels, then titles that begin so, then
// titles that have the words anywhere.
func (f *Fake) Suggest(_ context.Context, req search.SuggestRequest) (search.Suggestions, error) {
	if req.Limit < 1 || req.Limit > search.MaxSuggestions {
		return search.Suggestions{}, search.Invalid.Errorf("the question is not valid").WithField("query/limit", "is out of range")
	}
	all, terms := f.documents(), parse(req.Text)
	items := complete(all, terms)
	if len(items) == 0 {
		terms, _ = correct(all, terms)
		items = complete(all, terms)
	}
	return search.Suggestions{Items: items[:min(len(items), req.Limit)]}, nil
}

func complete(all []document, terms [][]string) []search.Suggestion {
	items := []search.Suggestion{}
	if len(terms) == 0 {
		return items
	}
	typed := ""
	for _, t := range terms {
		typed += " " + t[0]
	}
	const mostLabels = 3
	var labels, titles []search.Suggestion
	for _, d := range all {
		for _, l := range []search.Suggestion{{Kind: search.OfCategory, Text: d.Category}, {Kind: search.OfVendor, Text: d.Vendor}} {
			if strings.Contains(keyOf(l.Text), typed) && !slices.ContainsFunc(labels, same(l)) {
				labels = append(labels, l)
			}
		}
		title := search.Suggestion{Kind: search.OfProduct, Text: d.Title, Handle: d.Handle}
		inTitle := func(t []string) bool { return begins(d.title, t, "") }
		if !slices.ContainsFunc(terms, func(t []string) bool { return !inTitle(t) }) && !slices.ContainsFunc(titles, same(title)) {
			titles = append(titles, title)
		}
	}
	slices.SortFunc(labels, func(a, b search.Suggestion) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	slices.SortFunc(titles, func(a, b search.Suggestion) int {
		x, y := keyOf(a.Text), keyOf(b.Text)
		if first := strings.HasPrefix(x, typed); first != strings.HasPrefix(y, typed) {
			return map[bool]int{true: -1, false: 1}[first]
		}
		return cmp.Compare(x, y)
	})
	items = append(append(items, labels[:min(len(labels), mostLabels)]...), titles...)
	for i := range items {
		items[i].Highlight = mark(items[i].Text, terms)
	}
	return items
}

func same(a search.Suggestion) func(search.Suggestion) bool {
	return func(b search.Suggestion) bool { return a.Kind == b.Kind && keyOf(a.Text) == keyOf(b.Text) }
}
