// Package inventory is the contract of the inventory context: what is on hand,
// what is reserved, and how it moved. Nothing else of the module may be imported.
package inventory

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Codes of this context.
var (
	InsufficientStock  = fault.Define("stock.insufficient", fault.KindConflict)
	UnknownSKU         = fault.Define("stock.unknown_sku", fault.KindInvalid)
	StockNotFound      = fault.Define("stock.not_found", fault.KindNotFound)
	InvalidStock       = fault.Define("stock.invalid", fault.KindInvalid)
	ReservationExpired = fault.Define("stock.reservation_expired", fault.KindConflict)
	ReservationUnknown = fault.Define("stock.reservation_unknown", fault.KindNotFound)
)

// HoldTTL is how long a reservation is held before it expires, unless settings say otherwise.
const HoldTTL = 15 * time.Minute

// Statuses of a reservation.
const (
	Held      = "held"
	Committed = "committed"
	Released  = "released"
	Expired   = "expired"
)

// Service is what other contexts and the HTTP edge may ask of inventory.
type Service interface {
	// SetOnHand sets how many there are, at most 500 SKUs a call. Below what is
	// reserved it is refused. For staff. Repeating it changes nothing, but what was
	// sold between is on hand again; with OnlyNew it is not.
	// Codes: InvalidStock (nothing is set then), fault.Forbidden.
	SetOnHand(ctx context.Context, req SetOnHandRequest) (SetOnHandReply, error)
	// Levels gives the known ones among these SKUs, at most 500 a call. May be repeated.
	Levels(ctx context.Context, req LevelsRequest) (LevelsReply, error)
	// Hold reserves every line or none, until the returned expiry. Holding the
	// same order again returns the first reservation.
	// Codes: InsufficientStock, UnknownSKU, InvalidStock.
	Hold(ctx context.Context, req HoldRequest) (Reservation, error)
	// Commit turns a held reservation into a sale: on hand goes down. One whose time
	// is over, but which was not taken back yet, still has its stock and is committed.
	// Repeating it changes nothing. Codes: ReservationExpired (expired or released), ReservationUnknown.
	Commit(ctx context.Context, req ReservationRequest) (Reservation, error)
	// Release gives a held or committed reservation back. An order never held is
	// remembered as released, so that a late Hold is refused with ReservationExpired.
	// Repeating it changes nothing. Codes: InvalidStock (no order id).
	Release(ctx context.Context, req ReservationRequest) (Reservation, error)
	// Get gives a reservation. May be repeated. Codes: ReservationUnknown.
	Get(ctx context.Context, req ReservationRequest) (Reservation, error)
}

// Level is the stock of a SKU: Available = OnHand − Reserved, none below zero.
type Level struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"on_hand"`
	Reserved  int64  `json:"reserved"`
	Available int64  `json:"available"`
}

// SetOnHandRequest sets levels.
type SetOnHandRequest struct {
	Levels  []OnHand `json:"levels"`
	OnlyNew bool     `json:"only_new,omitempty"` // leave alone what was ever set before
}

// OnHand is a count of a SKU, 0..1,000,000,000.
type OnHand struct {
	SKU    string `json:"sku"`
	OnHand int64  `json:"on_hand"`
}

// SetOnHandReply counts what was different before.
type SetOnHandReply struct {
	Changed int `json:"changed"`
}

// LevelsRequest asks by SKU.
type LevelsRequest struct {
	SKUs []string `json:"skus"`
}

// LevelsReply holds the known ones, in the order asked.
type LevelsReply struct {
	Items []Level `json:"items"`
}

// HoldRequest asks for a reservation, at most 100 lines.
type HoldRequest struct {
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Line is a quantity of a SKU.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// ReservationRequest names a reservation by its order.
type ReservationRequest struct {
	OrderID string `json:"order_id"`
}

// Reservation of one order.
type Reservation struct {
	OrderID   string    `json:"order_id"`
	Status    string    `json:"status" enum:"held,committed,released,expired"`
	Lines     []Line    `json:"lines"`
	ExpiresAt time.Time `json:"expires_at"`
}
