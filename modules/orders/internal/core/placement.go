package core

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Place implements orders.Service. The cart is read before the transaction, as
// it belongs to somebody else.
func (s *Service) Place(ctx context.Context, req orders.PlaceRequest) (orders.Order, error) {
	if err := checkPlacement(ctx, req); err != nil {
		return orders.Order{}, err
	}
	if err := s.busy(); err != nil {
		return orders.Order{}, err
	}
	basket, err := s.cart.Get(ctx, cart.GetRequest{Owner: cart.Owner{UserID: req.UserID}, Unpriced: true})
	if err != nil {
		return orders.Order{}, fmt.Errorf("read the cart: %w", err)
	}
	order, err := s.placeOnce(ctx, req, basket)
	for range 3 { // another id has another number
		if !s.store.NumberTaken(err) {
			break
		}
		order, err = s.placeOnce(ctx, req, basket)
	}
	return order, err
}

// busy refuses an order that would wait long for its turn: accepted ones would only be
// decided later and later, and Prefer: wait=10 would help nobody.
func (s *Service) busy() error {
	if !s.sagas.Pressed() {
		return nil
	}
	return fault.Unavailable.Errorf("more orders come in than can be decided at present: try again after the seconds in Retry-After, with the same key").
		WithDetail("retry_after", strconv.Itoa(1+rand.IntN(3))) // not all at the same time again
}

func (s *Service) placeOnce(ctx context.Context, req orders.PlaceRequest, basket cart.Cart) (orders.Order, error) {
	place := func(ctx context.Context) (orders.Order, error) { return s.place(ctx, req, basket) }
	if req.WaitMillis == 0 {
		return idempotency.Do(ctx, s.keys, place)
	}
	patience := time.Duration(req.WaitMillis) * time.Millisecond
	return idempotency.FinishElsewhere(ctx, s.keys, patience+leaseSlack, place,
		func(ctx context.Context, first orders.Order) error {
			if first.Status != orders.Pending {
				return nil
			}
			return s.await(ctx, first.ID, patience)
		},
		func(ctx context.Context, first orders.Order) (orders.Order, error) {
			order, err := s.store.Get(ctx, first.ID)
			if err != nil {
				return orders.Order{}, err
			}
			return order.Order, nil
		})
}

// place makes the order and starts its checkout, in one transaction.
func (s *Service) place(ctx context.Context, req orders.PlaceRequest, basket cart.Cart) (orders.Order, error) {
	order := newOrder(s.newID(), s.currency, req, basket, s.now())
	empty := len(order.Lines) == 0
	if empty {
		if err := order.Reject(orders.CartEmpty, details[orders.CartEmpty], s.now()); err != nil {
			return orders.Order{}, err
		}
	}
	if err := s.store.Insert(ctx, order); err != nil {
		return orders.Order{}, err
	}
	if empty {
		return order.Order, s.tell(ctx, order)
	}
	items := make([]pricing.QuoteItem, 0, len(order.Lines))
	for _, l := range order.Lines {
		items = append(items, pricing.QuoteItem{SKU: l.SKU, Quantity: l.Quantity})
	}
	lines := make([]orders.Taken, 0, len(basket.Lines))
	for _, l := range basket.Lines {
		lines = append(lines, orders.Taken{SKU: l.SKU, Quantity: l.Quantity, Revision: l.Revision})
	}
	var awaited *port.IdempotencyKey
	if key := port.IdempotencyKeyFrom(ctx); req.WaitMillis > 0 && !key.IsZero() {
		awaited = &key
	}
	return order.Order, s.checkouts.Start(ctx, order.ID, Checkout{
		Awaited: awaited,
		UserID:  req.UserID, Items: items, Basket: lines, Country: req.ShippingAddress.Country,
		ShippingMethod: req.ShippingMethod, PromoCode: req.PromoCode, Method: req.PaymentMethod, Token: req.PaymentToken,
	})
}
