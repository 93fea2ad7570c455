// Package core holds the rules of search: what can be found, by which words, in
// which order.
package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/search"
)

// Index answers questions from the live generation, each from one instant.
type Index interface {
	Find(ctx context.Context, q Query) (Found, error)
	// Known tells whether a word of a document begins like this.
	Known(ctx context.Context, word string) (bool, error)
	// Nearby gives words that documents have or had.
	Nearby(ctx context.Context, n Near) ([]string, error)
	// Titles gives documents whose title begins so, in the order of their titles.
	Titles(ctx context.Context, beginning string, limit int) ([]Hit, error)
	// TitleHits gives documents with all terms in their titles, best first.
	TitleHits(ctx context.Context, terms []Term, limit int) ([]Hit, error)
	// Labels gives categories and vendors that documents have, and of which one of
	// the words and what follows it begins so.
	Labels(ctx context.Context, beginning string, limit int) ([]Label, error)
}

// Pieces is where events are kept and documents made of them. Every write is made
// inside Atomic, and knows the generation that it is for.
type Pieces interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	AfterCommit(ctx context.Context, fn func())

	// Takers are the generations that events are for: the live one first.
	Takers(ctx context.Context) ([]int64, error)
	// PutProducts keeps products that are not older than what is kept, with their
	// SKUs, and gives the ids of those it kept.
	PutProducts(ctx context.Context, generation int64, products []Product) ([]string, error)
	// PutPrices and PutLevels do so for what is known of SKUs.
	PutPrices(ctx context.Context, generation int64, prices []Price) error
	PutLevels(ctx context.Context, generation int64, levels []Level) error
	// Sellers are the products that sell any of the SKUs.
	Sellers(ctx context.Context, generation int64, skus []string) ([]string, error)
	// Lock keeps others from making documents of these products, and gives what is
	// known of each, as it is once the others are done.
	Lock(ctx context.Context, generation int64, products []string) ([]Standing, error)
	Contents(ctx context.Context, generation int64, products []string) (map[string]Content, error)

	PutDocuments(ctx context.Context, generation int64, documents []Document) error
	PutTerms(ctx context.Context, generation int64, terms map[string]Terms) error
	Remove(ctx context.Context, generation int64, products []string) error
}

// Store is all that search keeps.
type Store interface {
	Index
	Pieces
	Generations
	Copies
}

// Price is a piece: the last that is known from pricing of a SKU.
type Price struct {
	SKU       string
	Version   int64
	Amount    int64
	CompareAt *int64
	Currency  string
}

// Level is a piece: the last that is known from inventory of a SKU.
type Level struct {
	SKU       string
	Version   int64
	Available int64
}

// Standing is a product, whether it has a document, and what it is sold for.
type Standing struct {
	ProductID string
	Published bool
	Document  bool
	Offers    []Offer
}

// Fresh is told how old a change is when it can be found: the kind of the change,
// and when it was recorded.
type Fresh func(kind string, recorded time.Time)

// Service answers questions.
type Service struct {
	store    Store
	now      clock.Clock
	newID    id.Source
	fresh    Fresh
	currency string
}

var _ search.Service = (*Service)(nil)

// New makes the service of a shop with one currency.
func New(store Store, now clock.Clock, newID id.Source, currency string, fresh Fresh) *Service {
	return &Service{store: store, now: now, newID: newID, fresh: fresh, currency: currency}
}
