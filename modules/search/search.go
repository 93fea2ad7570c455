// Package search is the contract of the search context: what can be bought, found
// by text, facets and price. Nothing else of the module may be imported.
//
// Search owns no truth. It holds copies that it makes of the events of catalog,
// pricing and inventory, asks nobody while it answers, and can be dropped and
// built again from the event log.
package search

import (
	"context"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	// Invalid is the refusal of a question that has no meaning, such as a page of no
	// items. A text to look for is never refused.
	Invalid = fault.Define("search.invalid", fault.KindInvalid)
	// Rebuilding is the refusal to build the index twice at a time.
	Rebuilding = fault.Define("search.rebuilding", fault.KindConflict)
)

// Service is what other contexts and the HTTP edge may ask of search.
type Service interface {
	// Find gives a page of what can be bought: published products with a price.
	//
	// Every word of Text must be there, whole or as the beginning of a word, in
	// title, vendor, category, tags, variants, SKUs or description; letters are
	// compared without case and accents. Where nothing is found and a word is in no
	// product, the nearest words that are (one mistake in 4 letters, two in 8) stand
	// for it, and Corrections says so. No text finds everything. Nothing in Text is
	// an operator, and no Text is refused.
	//
	// May be repeated. Codes: Invalid, fault.Malformed (a cursor of another list).
	Find(ctx context.Context, req FindRequest) (Results, error)
	// Suggest completes what somebody types: titles, categories and vendors.
	// May be repeated. Codes: Invalid.
	Suggest(ctx context.Context, req SuggestRequest) (Suggestions, error)
}

// Orders of results. Equal ones are ordered by id, so that pages never overlap.
const (
	Relevance = "relevance" // words in titles before labels before the rest; then in stock first, then newest
	Cheapest  = "price"
	Dearest   = "-price"
	Newest    = "newest"
)

// Limits of a question.
const (
	MaxPage        = 100
	MaxSuggestions = 20
	MaxWords       = 16 // of a text; further ones are ignored
)

// FindRequest says what is looked for. Empty fields do not filter. Prices are in
// minor units of the shop's currency and mean the lowest price of a product.
type FindRequest struct {
	Text     string `json:"text,omitempty"`
	Category string `json:"category,omitempty"`
	Vendor   string `json:"vendor,omitempty"`
	MinPrice *int64 `json:"min_price,omitempty"` // at least; nil: any
	MaxPrice *int64 `json:"max_price,omitempty"` // at most; nil: any
	InStock  *bool  `json:"in_stock,omitempty"`  // nil: both
	Sort     string `json:"sort,omitempty"`      // Relevance unless set
	Limit    int    `json:"limit"`               // 1..100
	After    string `json:"after,omitempty"`     // Next of the page before
}

// Results is one page, and what can be said of all that was found.
type Results struct {
	Items       []Item       `json:"items"`
	Total       int64        `json:"total"` // of all pages
	Facets      Facets       `json:"facets"`
	Corrections []Correction `json:"corrections"`
	Next        string       `json:"next,omitempty"` // empty: no more
}

// Item is a product as search knows it.
type Item struct {
	ProductID string      `json:"product_id"`
	Handle    string      `json:"handle"`
	Title     string      `json:"title"`
	Vendor    string      `json:"vendor"`
	Category  string      `json:"category"`
	Tags      []string    `json:"tags"`
	Image     *Image      `json:"image"`      // the first one; nil: none
	Price     money.Money `json:"price"`      // the lowest of its variants
	PriceMost money.Money `json:"price_most"` // the highest
	// CompareAt is what the variant with the lowest price used to cost, nil for none.
	CompareAt *money.Money `json:"compare_at_price"`
	InStock   bool         `json:"in_stock"` // any variant that has a price
	Highlight Highlight    `json:"highlight"`
}

// Image of a product.
type Image struct {
	Src string `json:"src"`
	Alt string `json:"alt"`
}

// Highlight is HTML: text, escaped, in which found words stand between <mark> and
// </mark>. There is no other markup in it.
type Highlight struct {
	Title       string `json:"title"`
	Description string `json:"description"` // a part of about 200 characters, around the first word found
}

// Facets count what would be found with another value of one filter and all
// others as they are. Most frequent first, at most 50 of a kind.
type Facets struct {
	Category []Count      `json:"category"`
	Vendor   []Count      `json:"vendor"`
	Price    []PriceCount `json:"price"` // cheapest first
}

// Count is how many products have a value.
type Count struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// PriceCount is how many products cost at least From and less than To, in minor
// units; To is nil for the last range. Empty ranges are left out.
type PriceCount struct {
	From  int64  `json:"from"`
	To    *int64 `json:"to"`
	Count int64  `json:"count"`
}

// Correction is a word that is in no product, and those that stood for it.
type Correction struct {
	Word    string   `json:"word"`
	Instead []string `json:"instead"` // nearest first
}

// SuggestRequest holds what was typed so far.
type SuggestRequest struct {
	Text  string `json:"text"`
	Limit int    `json:"limit"` // 1..20
}

// Suggestions are completions, best first.
type Suggestions struct {
	Items []Suggestion `json:"items"`
}

// Kinds of suggestions.
const (
	OfCategory = "category"
	OfVendor   = "vendor"
	OfProduct  = "product"
)

// Suggestion is one completion. Highlight is HTML as in Highlight.
type Suggestion struct {
	Kind      string `json:"kind"`
	Text      string `json:"text"`
	Highlight string `json:"highlight"`
	Handle    string `json:"handle,omitempty"` // of a product
}
