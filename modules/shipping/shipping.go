// Package shipping is the contract of the shipping context: rates, shipments,
// carriers and tracking. Nothing else of the module may be imported.
package shipping

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	NoRate            = fault.Define("shipping.unavailable", fault.KindInvalid)
	ShipmentNotFound  = fault.Define("shipment.not_found", fault.KindNotFound)
	InvalidTransition = fault.Define("shipment.invalid_transition", fault.KindConflict)
	AlreadyDispatched = fault.Define("shipment.already_dispatched", fault.KindConflict)
	InvalidShipment   = fault.Define("shipment.invalid", fault.KindInvalid)
)

// Methods of shipping.
const (
	Standard = "standard"
	Express  = "express"
)

// Statuses of a shipment.
const (
	Pending    = "pending"
	Dispatched = "dispatched"
	Delivered  = "delivered"
	Cancelled  = "cancelled"
)

// Service is what other contexts and the HTTP edge may ask of shipping.
// Shipments come to be by the event that confirms an order.
type Service interface {
	// Rates gives what sending this weight to a country costs, cheapest first;
	// none where the shop does not send. May be repeated.
	Rates(ctx context.Context, req RatesRequest) (RatesReply, error)
	// Get gives a shipment to its owner or staff. May be repeated. Codes: ShipmentNotFound.
	Get(ctx context.Context, req GetRequest) (Shipment, error)
	// ByOrder gives an order's shipment. May be repeated. Codes: ShipmentNotFound.
	ByOrder(ctx context.Context, req OrderRequest) (Shipment, error)
	// Dispatch hands a pending shipment to a carrier. For staff. Repeating it
	// with the same tracking number changes nothing. Codes: ShipmentNotFound, InvalidTransition, InvalidShipment.
	Dispatch(ctx context.Context, req DispatchRequest) (Shipment, error)
	// Deliver ends a dispatched shipment. For staff. Repeating it changes nothing.
	// Codes: ShipmentNotFound, InvalidTransition.
	Deliver(ctx context.Context, req DeliverRequest) (Shipment, error)
	// CancelForOrder stops an order's shipment for good, also one that is not made yet.
	// For the shop itself. Repeating it changes nothing.
	// Codes: AlreadyDispatched, InvalidShipment (no order id), fault.Forbidden.
	CancelForOrder(ctx context.Context, req OrderRequest) (CancelReply, error)
}

// RatesRequest asks for rates. Country is ISO 3166-1 alpha-2.
type RatesRequest struct {
	Country     string `json:"country"`
	WeightGrams int64  `json:"weight_grams"`
}

// RatesReply lists rates, cheapest first.
type RatesReply struct {
	Items []Rate `json:"items"`
}

// Rate is a way to send and what it costs.
type Rate struct {
	Method  string      `json:"method"`
	Carrier string      `json:"carrier"`
	Price   money.Money `json:"price"`
	MinDays int         `json:"min_days"`
	MaxDays int         `json:"max_days"`
}

// GetRequest names a shipment.
type GetRequest struct {
	ShipmentID string `json:"shipment_id"`
}

// OrderRequest names a shipment by its order.
type OrderRequest struct {
	OrderID string `json:"order_id"`
}

// DispatchRequest says who carries it.
type DispatchRequest struct {
	ShipmentID     string `json:"shipment_id"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"tracking_number"`
}

// DeliverRequest names a shipment.
type DeliverRequest struct {
	ShipmentID string `json:"shipment_id"`
}

// CancelReply tells whether there was a shipment to cancel.
type CancelReply struct {
	Cancelled bool `json:"cancelled"`
}

// Address is where a shipment goes.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2
}

// Shipment of one order.
type Shipment struct {
	ID             string     `json:"id"`
	OrderID        string     `json:"order_id"`
	UserID         string     `json:"user_id"`
	Status         string     `json:"status" enum:"pending,dispatched,delivered,cancelled"`
	Method         string     `json:"method"`
	Address        Address    `json:"address"`
	Carrier        string     `json:"carrier,omitempty"`
	TrackingNumber string     `json:"tracking_number,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	DispatchedAt   *time.Time `json:"dispatched_at"`
	DeliveredAt    *time.Time `json:"delivered_at"`
}
