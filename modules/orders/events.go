package orders

import (
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
)

// Topic of the events about one order; the aggregate is the order's id.
const Topic = "orders.order"

// OrderConfirmed carries what fulfilment needs.
type OrderConfirmed struct {
	OrderID        string      `json:"order_id"`
	Number         string      `json:"number"`
	UserID         string      `json:"user_id"`
	Address        Address     `json:"address"`
	ShippingMethod string      `json:"shipping_method"`
	WeightGrams    int64       `json:"weight_grams"`
	Lines          []Line      `json:"lines"`
	Total          money.Money `json:"total"`
	PaymentID      string      `json:"payment_id"`
	// Basket is what it takes out of its owner's cart. Events of before carts
	// listened to it have none.
	Basket []Taken `json:"basket,omitempty"`
}

// Taken is a line of a cart as it was when it was ordered. A line that was set
// since has a higher revision, and is wanted again.
type Taken struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Revision int64  `json:"revision"`
}

// OrderEnded says that an order was rejected or cancelled, or was delivered.
type OrderEnded struct {
	OrderID string      `json:"order_id"`
	UserID  string      `json:"user_id"`
	Reason  string      `json:"reason"`
	Total   money.Money `json:"total"`
}

// What is published about an order.
var (
	WasConfirmed = event.Define[OrderConfirmed](Topic, "orders.confirmed")
	WasRejected  = event.Define[OrderEnded](Topic, "orders.rejected")
	WasCancelled = event.Define[OrderEnded](Topic, "orders.cancelled")
	WasShipped   = event.Define[OrderEnded](Topic, "orders.shipped")
	WasDelivered = event.Define[OrderEnded](Topic, "orders.delivered")
)

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{WasConfirmed, WasRejected, WasCancelled, WasShipped, WasDelivered}
}
