package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
)

// Order is an order with what only this context knows about it. Its methods are
// the transitions that the business knows; each refuses to happen out of turn
// and records the event that tells others.
type Order struct {
	orders.Order
	Version        int64       // of the last event published about it
	WeightGrams    int64       // of all lines, known once it is priced
	Refunded       money.Money // what payments said it gave back
	Cancelling     string      // the saga that decides whether it is cancelled as somebody wanted; empty: nobody did
	DeliveredEarly bool        // delivered before the payment was captured
	UpdatedAt      time.Time

	events []event.Event
}

// newOrder makes a pending order of what is in the basket.
func newOrder(id, currency string, req orders.PlaceRequest, basket cart.Cart, at time.Time) *Order {
	zero := money.Of(0, currency)
	lines := make([]orders.Line, 0, len(basket.Lines))
	for _, l := range basket.Lines {
		lines = append(lines, orders.Line{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: zero, Total: zero})
	}
	o := &Order{Refunded: zero, Order: orders.Order{
		ID: id, Number: numberOf(id), UserID: req.UserID, Status: orders.Pending, Lines: lines,
		Totals:          orders.Totals{Subtotal: zero, Discount: zero, Shipping: zero, Tax: zero, Total: zero},
		ShippingAddress: req.ShippingAddress, ShippingMethod: req.ShippingMethod, PromoCode: req.PromoCode,
		PaymentMethod: req.PaymentMethod, CreatedAt: at,
	}}
	o.note(at, "placed")
	return o
}

// Confirm ends a good checkout: the order is priced and will be paid by this
// payment; by none if it costs nothing or its wallet holds the money. It takes the
// basket out of its owner's cart.
func (o *Order) Confirm(b Bill, paymentID string, basket []orders.Taken, at time.Time) error {
	if err := o.from(orders.Pending); err != nil {
		return err
	}
	o.bill(b)
	o.PaymentID = paymentID
	o.become(orders.Confirmed, "", at, "paid and in stock")
	record(o, orders.WasConfirmed, orders.OrderConfirmed{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Address: o.ShippingAddress,
		ShippingMethod: o.ShippingMethod, WeightGrams: o.WeightGrams, Lines: o.Lines,
		Total: o.Totals.Total, PaymentID: o.PaymentID, Basket: basket,
	})
	return nil
}

func (o *Order) bill(b Bill) { o.Lines, o.Totals, o.WeightGrams = b.Lines, b.Totals, b.WeightGrams }

// Reject ends a checkout that could not be completed. reason is one of the contract's.
func (o *Order) Reject(reason, detail string, at time.Time) error {
	if err := o.from(orders.Pending); err != nil {
		return err
	}
	o.become(orders.Rejected, reason, at, detail)
	record(o, orders.WasRejected, o.ended())
	return nil
}

// Cancel ends an order that is not shipped yet.
func (o *Order) Cancel(reason string, at time.Time) error {
	if err := o.from(orders.Pending, orders.Confirmed); err != nil {
		return err
	}
	o.become(orders.Cancelled, reason, at, "cancelled")
	record(o, orders.WasCancelled, o.ended())
	return nil
}

// Ship says that the parcel is on its way and paid for.
func (o *Order) Ship(at time.Time) error {
	if err := o.from(orders.Confirmed); err != nil {
		return err
	}
	o.become(orders.Shipped, "", at, "on its way")
	record(o, orders.WasShipped, o.ended())
	if o.DeliveredEarly {
		return o.Deliver(at)
	}
	return nil
}

// Deliver ends a shipped order. The news of a delivery can overtake that of the
// captured payment: then it is kept until the order is shipped.
func (o *Order) Deliver(at time.Time) error {
	if o.Status == orders.Confirmed {
		o.DeliveredEarly, o.UpdatedAt = true, at
		return nil
	}
	if err := o.from(orders.Shipped); err != nil {
		return err
	}
	o.become(orders.Delivered, "", at, "delivered")
	record(o, orders.WasDelivered, o.ended())
	return nil
}

// note adds to the history without changing the status.
func (o *Order) note(at time.Time, detail string) {
	o.History = append(o.History, orders.Change{At: at, Status: o.Status, Detail: detail})
	o.UpdatedAt = at
}

// noted tells whether the history has such a note.
func (o *Order) noted(detail string) bool {
	return slices.ContainsFunc(o.History, func(c orders.Change) bool { return c.Detail == detail })
}

func (o *Order) become(status, reason string, at time.Time, detail string) {
	o.Status, o.Reason, o.Cancelling = status, reason, ""
	o.note(at, detail)
}

func (o *Order) ended() orders.OrderEnded {
	return orders.OrderEnded{OrderID: o.ID, UserID: o.UserID, Reason: o.Reason, Total: o.Totals.Total}
}

func (o *Order) from(allowed ...string) error {
	for _, status := range allowed {
		if o.Status == status {
			return nil
		}
	}
	return fmt.Errorf("order %s is %s: it had to be one of %v", o.ID, o.Status, allowed)
}

// record keeps an event until the order is saved.
func record[T any](o *Order, kind *event.Type[T], data T) {
	o.Version++
	o.events = append(o.events, kind.New(o.ID, o.Version, data))
}
