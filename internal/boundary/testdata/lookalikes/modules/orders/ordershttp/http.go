// Package ordershttp knows contracts.
package ordershttp

import (
	"context"

	"example.com/shop/modules/catalog"
	"example.com/shop/modules/orders"
)

type Deps struct {
	Orders  orders.Service
	Catalog catalog.Service
}

func (d Deps) Place(ctx context.Context, sku string) error {
	if _, err := d.Catalog.Find(ctx, catalog.FindRequest{SKU: sku}); err != nil {
		return err
	}
	_, err := d.Orders.Place(ctx, orders.PlaceRequest{SKU: sku})
	return err
}
