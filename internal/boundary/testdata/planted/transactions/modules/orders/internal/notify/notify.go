// Package notify asks a neighbour on behalf of the core.
package notify

import (
	"context"

	"example.com/shop/modules/catalog"
)

type Mail struct{ catalog catalog.Service }

func New(c catalog.Service) *Mail { return &Mail{c} }

func (m *Mail) Send(ctx context.Context) error {
	_, err := m.catalog.Hide(ctx, catalog.FindRequest{}) // want transactions "catalog.Service.Hide is called inside a transaction"
	return err
}
