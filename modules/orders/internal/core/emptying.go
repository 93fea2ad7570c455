package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/cart"
)

// Emptying takes what a confirmed order bought out of its owner's cart. Nobody
// starts one any more: carts listen to the confirmation. Those that an earlier
// version started, or starts beside this one, are brought to their end.
type Emptying struct {
	UserID  string         `json:"user_id"`
	OrderID string         `json:"order_id"`
	Items   []cart.CartRef `json:"items"`
}

func (s *Service) emptyingCart() saga.Definition[Emptying] {
	return saga.Definition[Emptying]{
		Name:    "orders.empty_cart",
		Steps:   []saga.Step[Emptying]{{Name: "empty the cart", Do: s.emptyCart, Attempts: persistent}},
		Timeout: 24 * time.Hour,
	}
}

func (s *Service) emptyCart(ctx context.Context, _ string, e *Emptying) error {
	_, err := s.cart.CheckOut(ctx, cart.CheckOutRequest{UserID: e.UserID, OrderID: e.OrderID, Items: e.Items})
	return err
}
