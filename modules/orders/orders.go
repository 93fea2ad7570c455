// Package orders is the contract of the orders context: orders, their checkout
// and their history. Nothing else of the module may be imported.
package orders

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	OrderNotFound  = fault.Define("order.not_found", fault.KindNotFound)
	NotCancellable = fault.Define("order.not_cancellable", fault.KindConflict)
	InvalidOrder   = fault.Define("order.invalid", fault.KindInvalid)
)

// Statuses of an order.
const (
	Pending   = "pending"
	Confirmed = "confirmed"
	Rejected  = "rejected"
	Shipped   = "shipped"
	Delivered = "delivered"
	Cancelled = "cancelled"
)

// Ways to pay for an order.
const (
	ByCard   = "card"
	ByWallet = "wallet" // from the user's store credit
)

// Reasons why an order is rejected.
const (
	StockInsufficient   = "stock.insufficient"
	PaymentDeclined     = "payment.declined"
	PaymentUnavailable  = "payment.unavailable"
	PriceUnknown        = "price.unknown"
	CartEmpty           = "cart.empty"
	ShippingUnavailable = "shipping.unavailable"
	PromotionInvalid    = "promotion.invalid"
	CheckoutTimeout     = "checkout.timeout"
)

// Reasons why an order is cancelled.
const (
	CancelRequested = "cancel.requested"   // its owner or staff wanted it
	ShipmentStopped = "shipment.cancelled" // its shipment was stopped
)

// Service is what other contexts and the HTTP edge may ask of orders.
type Service interface {
	// Place orders what is in the user's cart: the order is pending and its
	// checkout runs on. With WaitMillis > 0 it answers as soon as the order is
	// confirmed or rejected, or when that time is over. Keyed by the caller's
	// Idempotency-Key. Codes: InvalidOrder, idempotency codes.
	Place(ctx context.Context, req PlaceRequest) (Order, error)
	// Get gives an order to its owner or staff. May be repeated. Codes: OrderNotFound.
	Get(ctx context.Context, req GetRequest) (Order, error)
	// List gives orders, newest first: the user's, or with an empty UserID
	// everybody's, for staff. May be repeated.
	List(ctx context.Context, req ListRequest) (OrderList, error)
	// Cancel cancels an order until it is dispatched; a pending one is cancelled
	// when its checkout notices, unless that cannot be any more. Keyed by the caller's
	// Idempotency-Key. Codes: OrderNotFound, NotCancellable.
	Cancel(ctx context.Context, req CancelRequest) (Order, error)
}

// PlaceRequest asks for an order of the user's cart.
type PlaceRequest struct {
	UserID          string  `json:"user_id"`
	ShippingAddress Address `json:"shipping_address"`
	ShippingMethod  string  `json:"shipping_method"` // "standard" or "express"
	PromoCode       string  `json:"promo_code,omitempty"`
	PaymentMethod   string  `json:"payment_method"` // ByCard or ByWallet
	PaymentToken    string  `json:"payment_token"`  // the provider's name for the card; never logged; empty with ByWallet
	WaitMillis      int64   `json:"wait_millis"`    // 0..10,000
}

// Address is where an order is sent.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2
}

// GetRequest names an order.
type GetRequest struct {
	OrderID string `json:"order_id"`
}

// ListRequest asks for a page of orders.
type ListRequest struct {
	UserID string `json:"user_id,omitempty"`
	Limit  int    `json:"limit"`           // 1..100
	After  string `json:"after,omitempty"` // Next of the page before
}

// OrderList is one page.
type OrderList struct {
	Items []Order `json:"items"`
	Next  string  `json:"next,omitempty"` // empty: no more
}

// CancelRequest names an order.
type CancelRequest struct {
	OrderID string `json:"order_id"`
}

// Order is what a user bought.
type Order struct {
	ID              string    `json:"id"`
	Number          string    `json:"number"` // for people: "7KQ2M-4XW9P"
	UserID          string    `json:"user_id"`
	Status          string    `json:"status" enum:"pending,confirmed,rejected,shipped,delivered,cancelled"`
	Reason          string    `json:"reason"` // why it was rejected or cancelled
	Lines           []Line    `json:"lines"`
	Totals          Totals    `json:"totals"` // zero until its checkout is over, or if it could not be priced
	ShippingAddress Address   `json:"shipping_address"`
	ShippingMethod  string    `json:"shipping_method"`
	PromoCode       string    `json:"promo_code,omitempty"`
	PaymentMethod   string    `json:"payment_method,omitempty"`
	PaymentID       string    `json:"payment_id"` // empty: it is paid by wallet, or costs nothing
	ShipmentID      string    `json:"shipment_id"`
	History         []Change  `json:"history"` // oldest first
	CreatedAt       time.Time `json:"created_at"`
}

// Line is one SKU of an order. Prices are zero where the totals are.
type Line struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int         `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	Total     money.Money `json:"total"`
}

// Totals of an order: Total = Subtotal − Discount + Shipping + Tax.
type Totals struct {
	Subtotal money.Money `json:"subtotal"`
	Discount money.Money `json:"discount"`
	Shipping money.Money `json:"shipping"`
	Tax      money.Money `json:"tax"`
	Total    money.Money `json:"total"`
}

// Change is one entry of an order's history.
type Change struct {
	At     time.Time `json:"at"`
	Status string    `json:"status"`
	Detail string    `json:"detail"`
}
