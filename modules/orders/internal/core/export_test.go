package core

import "context"

// NewOrder is newOrder.
var NewOrder = newOrder

// Confirm is the end of a checkout, in the transaction that ctx carries.
func (s *Service) Confirm(ctx context.Context, order string, c *Checkout) error {
	return s.confirm(ctx, order, c)
}
