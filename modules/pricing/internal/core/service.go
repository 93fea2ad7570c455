// Package core holds the rules of pricing: what things cost, what is taken off,
// and that a quote fixes it.
package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Store keeps prices, promotions and the quotes of orders. Every write is made
// inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error

	Prices(ctx context.Context, skus []string) ([]pricing.Price, error)
	// PutPrices sets prices and gives the version of each that was different.
	PutPrices(ctx context.Context, prices []pricing.Price) (map[string]int64, error)
	// Foreign counts the prices in another currency than the shop's, and names that.
	Foreign(ctx context.Context) (prices int64, currency string, err error)

	// AddPromotion tells whether the code was new.
	AddPromotion(ctx context.Context, p pricing.Promotion) (bool, error)
	Promotion(ctx context.Context, code string) (pricing.Promotion, bool, error)
	// UsePromotion takes one use where the limit allows, and tells so;
	// FreePromotion gives one back.
	UsePromotion(ctx context.Context, code string) (bool, error)
	FreePromotion(ctx context.Context, code string) error
	// Usage gives, page by page, each promotion with the open quotes that use it.
	Usage(ctx context.Context, after string, limit int) ([]Usage, error)

	// AddQuote tells whether the order had none.
	AddQuote(ctx context.Context, q OrderQuote) (bool, error)
	// AddOnlyQuote is AddQuote as the whole of a transaction.
	AddOnlyQuote(ctx context.Context, q OrderQuote) (bool, error)
	Quote(ctx context.Context, orderID string) (OrderQuote, bool, error)
	// ReleaseQuote releases an open quote, and tells whether it was open.
	ReleaseQuote(ctx context.Context, orderID string) (bool, error)
	// PurgeQuotes forgets those made before an instant, but open ones with a
	// promotion: they count as its uses.
	PurgeQuotes(ctx context.Context, before time.Time) (int64, error)
}

// Usage is a promotion and how many open quotes use it.
type Usage struct {
	Code   string
	Used   int64
	Limit  int64
	Quotes int64
}

// Events is where changes are announced.
type Events interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Deps is what the service needs.
type Deps struct {
	Store    Store
	Events   Events
	Catalog  catalog.Service
	Shipping shipping.Service
	Now      clock.Clock
	NewID    id.Source
	Currency string
}

// Service implements the contract.
type Service struct{ Deps }

var _ pricing.Service = (*Service)(nil)

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

func staffOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("only staff may do this")
	}
	return nil
}

// longAgo and farFuture bound instants that people type: not every database
// keeps all that a time.Time can hold.
var (
	longAgo   = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)
