// Package core holds the rules of the catalog: what a product may be, when its
// status may change, who may see it, and how an import treats many at once.
//
// What does not belong here: SQL, HTTP and messages.
package core

import (
	"context"
	"errors"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// ErrTaken is what a store answers when a handle or a SKU was given to another
// product since it was looked up. Nothing of the transaction was kept.
var ErrTaken = errors.New("handle or SKU was taken meanwhile")

// Store keeps products.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	// Find gives the product, or none.
	Find(ctx context.Context, handle string) (p catalog.Product, ok bool, err error)
	// Lock gives those that exist, in no order, and lets nobody else change them
	// until the transaction ends.
	Lock(ctx context.Context, handles []string) ([]catalog.Product, error)
	// Owners gives the id of the product that sells each SKU; unknown SKUs are left out.
	Owners(ctx context.Context, skus []string) (map[string]string, error)
	// Insert adds new products. ErrTaken is in the chain where one lost its handle or a SKU.
	Insert(ctx context.Context, products []catalog.Product) error
	// Replace writes products that exist. ErrTaken as with Insert.
	Replace(ctx context.Context, products []catalog.Product) error
	// List gives a page, newest first.
	List(ctx context.Context, q Query) ([]catalog.Product, error)
	// Published gives the published products that sell any of these SKUs.
	Published(ctx context.Context, skus []string) ([]catalog.Product, error)
}

// Query filters a list; empty fields do not filter, Status always does.
type Query struct {
	Category, Vendor, Tag, Status string
	Limit                         int
	After                         *Position // nil: from the newest
}

// Position is a place in the order of creation.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// Publisher records events in the transaction that ctx carries.
type Publisher interface {
	Publish(ctx context.Context, events ...event.Event) error
}
