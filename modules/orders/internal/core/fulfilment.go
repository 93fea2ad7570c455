package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Follow makes c bring the orders along with what shipping, payments and wallets tell.
// Events of different topics have no order among them: each handler takes its
// event in any status of the order, and leaves alone what is settled. Applied
// again, as a replay does, an event changes nothing.
func (s *Service) Follow(c *event.Consumer) {
	event.On(c, shipping.ShipmentCreated, s.shipmentCreated)
	event.On(c, shipping.ShipmentDispatched, s.shipmentDispatched)
	event.On(c, payments.PaymentCaptured, s.paymentCaptured)
	event.On(c, shipping.ShipmentDelivered, s.shipmentDelivered)
	event.On(c, shipping.ShipmentCancelled, s.shipmentCancelled)
	event.On(c, payments.PaymentRefunded, s.paymentRefunded)
	event.On(c, wallet.HoldCaptured, s.holdCaptured)
	event.On(c, wallet.WasRefunded, s.holdRefunded)
}

func (s *Service) shipmentCreated(ctx context.Context, _ event.Meta, e shipping.ShipmentChanged) error {
	return s.change(ctx, e.OrderID, func(o *Order) error {
		o.ShipmentID, o.UpdatedAt = e.ShipmentID, s.now()
		return nil
	})
}

// shipmentDispatched only notes it: the order is shipped when the money is
// captured. One that cost nothing has no money to wait for.
func (s *Service) shipmentDispatched(ctx context.Context, m event.Meta, e shipping.ShipmentChanged) error {
	return s.change(ctx, e.OrderID, func(o *Order) error {
		if handed := fmt.Sprintf("handed to %s, tracking number %s", e.Carrier, e.TrackingNumber); !o.noted(handed) {
			o.note(s.now(), handed)
		}
		if o.Status == orders.Confirmed && o.Totals.Total.IsZero() {
			return o.Ship(s.now())
		}
		return nil
	})
}

func (s *Service) paymentCaptured(ctx context.Context, _ event.Meta, e payments.PaymentChanged) error {
	return s.paid(ctx, e.OrderID)
}

func (s *Service) holdCaptured(ctx context.Context, _ event.Meta, e wallet.Changed) error {
	return s.paid(ctx, e.Reference)
}

// paid ships an order whose money was taken.
func (s *Service) paid(ctx context.Context, orderID string) error {
	return s.change(ctx, orderID, func(o *Order) error {
		if o.Status != orders.Confirmed {
			return nil
		}
		return o.Ship(s.now())
	})
}

func (s *Service) shipmentDelivered(ctx context.Context, _ event.Meta, e shipping.ShipmentChanged) error {
	return s.change(ctx, e.OrderID, func(o *Order) error {
		if o.Status != orders.Confirmed && o.Status != orders.Shipped {
			return nil
		}
		return o.Deliver(s.now())
	})
}

// shipmentCancelled ends an order whose shipment was stopped by other means
// than Cancel, or by a Cancel that could not go on.
func (s *Service) shipmentCancelled(ctx context.Context, _ event.Meta, e shipping.ShipmentChanged) error {
	return s.change(ctx, e.OrderID, func(o *Order) error {
		if o.Status != orders.Confirmed {
			return nil
		}
		reason := orders.ShipmentStopped
		if o.Cancelling != "" {
			reason = orders.CancelRequested
		}
		return o.Cancel(reason, s.now())
	})
}

func (s *Service) paymentRefunded(ctx context.Context, _ event.Meta, e payments.PaymentChanged) error {
	return s.refunded(ctx, e.OrderID, e.Amount, e.Refunded)
}

// holdRefunded: a wallet gives a hold back once, and all of it.
func (s *Service) holdRefunded(ctx context.Context, _ event.Meta, e wallet.Changed) error {
	return s.refunded(ctx, e.Reference, e.Amount, e.Amount)
}

// refunded notes that amount was given back, and with it total in all. An older
// event does not tell the total: its amount is added, each time it comes.
func (s *Service) refunded(ctx context.Context, orderID string, amount, total money.Money) error {
	return s.change(ctx, orderID, func(o *Order) (err error) {
		if total == (money.Money{}) {
			if total, err = o.Refunded.Add(amount); err != nil {
				return fmt.Errorf("refund of order %s: %w", o.ID, err)
			}
		}
		more, err := o.Refunded.Less(total)
		if err != nil || !more {
			return err
		}
		o.Refunded = total
		o.note(s.now(), fmt.Sprintf("refunded %v", amount))
		return nil
	})
}

// change applies fn to an order in the transaction that ctx carries. What is
// about no order is left alone: payments and shipments can be for others too.
func (s *Service) change(ctx context.Context, id string, fn func(*Order) error) error {
	order, err := s.store.Lock(ctx, id)
	if errors.Is(err, orders.OrderNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := fn(order); err != nil {
		return err
	}
	return s.save(ctx, order)
}
