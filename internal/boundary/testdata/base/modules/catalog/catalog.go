// Package catalog is a contract.
package catalog

import (
	"context"

	"example.com/shop/internal/event"
)

type FindRequest struct{ SKU string }

type Product struct{ SKU, Title string }

type Service interface {
	Find(ctx context.Context, req FindRequest) (Product, error)
	Hide(ctx context.Context, req FindRequest) (Product, error)
}

var Changed = event.Define[Product]("catalog.product", "catalog.changed")

// Title is a rule of the contract, not a call.
func Title(p Product) string { return p.Title }
