package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/cart"
)

// Emptying takes what a confirmed order bought out of its owner's cart. It is a
// saga of its own: it must outlive a crash, but its failure undoes no order.
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

func (s *Service) startEmptyingCart(ctx context.Context, order *Order, basket []cart.CartRef) error {
	return s.emptyings.Start(ctx, s.newID(), Emptying{UserID: order.UserID, OrderID: order.ID, Items: basket})
}

func (s *Service) emptyCart(ctx context.Context, _ string, e *Emptying) error {
	_, err := s.cart.CheckOut(ctx, cart.CheckOutRequest{UserID: e.UserID, OrderID: e.OrderID, Items: e.Items})
	return err
}
