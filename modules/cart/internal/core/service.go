// Package core holds the rules of carts: whose they are, and how much fits in.
package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Owner is whose cart a row is: a user, or whoever has the token with this hash.
type Owner struct {
	UserID    string
	TokenHash string
}

// Line is a SKU in a cart.
type Line struct {
	SKU      string
	Quantity int
	AddedAt  time.Time
	Revision int64 // grows whenever somebody sets the line
}

// Store keeps carts. Every write is made inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error

	// Cart gives the lines of a cart in the order in which they were added, and
	// tells whether there is one.
	Cart(ctx context.Context, o Owner) (Cart, bool, error)
	// Open makes sure there is a cart and locks it.
	Open(ctx context.Context, o Owner) (Cart, error)
	// Lock gives a cart, keeping others from changing it.
	Lock(ctx context.Context, o Owner) (Cart, bool, error)
	// PutLines and RemoveLines change lines as of an instant; none change nothing.
	PutLines(ctx context.Context, cartID string, lines []Line, at time.Time) error
	RemoveLines(ctx context.Context, cartID string, skus []string, at time.Time) error
	Drop(ctx context.Context, cartID string) error
	// AddMerge remembers that a guest's cart went into a user's, and with how many
	// lines; Merged gives that number, 0 where it did not.
	AddMerge(ctx context.Context, tokenHash, userID string, lines int) error
	Merged(ctx context.Context, tokenHash, userID string) (int, error)
	// AddCheckout tells whether the order was new.
	AddCheckout(ctx context.Context, orderID string) (bool, error)
	// Forget drops guests' carts that nobody touched since, and check-outs and merges
	// of before. It makes transactions of its own.
	Forget(ctx context.Context, before time.Time) error
}

// Cart is a stored cart.
type Cart struct {
	ID        string
	Lines     []Line
	UpdatedAt time.Time
}

// Deps is what the service needs.
type Deps struct {
	Store    Store
	Catalog  catalog.Service
	Pricing  pricing.Service
	Now      clock.Clock
	NewID    id.Source
	NewToken func() string // unguessable
	Currency string
}

// Service implements the contract.
type Service struct{ Deps }

var _ cart.Service = (*Service)(nil)

// New makes the service.
func New(d Deps) *Service { return &Service{d} }
