// Package orders is a contract.
package orders

import "context"

type PlaceRequest struct{ SKU string }

type Order struct{ ID string }

type Service interface {
	Place(ctx context.Context, req PlaceRequest) (Order, error)
}
