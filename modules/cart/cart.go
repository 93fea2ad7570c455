// Package cart is the contract of the cart context: carts of users and of
// guests. Nothing else of the module may be imported.
package cart

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	InvalidQuantity = fault.Define("cart.invalid_quantity", fault.KindInvalid)
	TooManyLines    = fault.Define("cart.too_many_lines", fault.KindInvalid)
	UnknownSKU      = fault.Define("cart.unknown_sku", fault.KindInvalid)
	UnknownToken    = fault.Define("cart.unknown_token", fault.KindNotFound)
)

// Limits of a cart.
const (
	MaxQuantity = 99  // of one SKU
	MaxLines    = 100 // different SKUs
)

// Service is what other contexts and the HTTP edge may ask of the cart.
type Service interface {
	// Open makes an empty guest cart and gives its secret token. Where what is to be
	// put in is not for sale, it makes none. Codes: UnknownSKU.
	Open(ctx context.Context, req OpenRequest) (OpenReply, error)
	// Get gives the cart with current prices, unless they are not wanted; an empty
	// one where there is none.
	// May be repeated. Codes: UnknownToken.
	Get(ctx context.Context, req GetRequest) (Cart, error)
	// SetItem sets how many of a SKU are in the cart, 1..MaxQuantity. Repeating it changes
	// nothing but the line's revision.
	// Codes: InvalidQuantity, TooManyLines, UnknownSKU, UnknownToken.
	SetItem(ctx context.Context, req SetItemRequest) (Cart, error)
	// RemoveItem takes a SKU out. Repeating it changes nothing. Codes: UnknownToken.
	RemoveItem(ctx context.Context, req RemoveItemRequest) (Cart, error)
	// Merge moves a guest's cart into the user's: quantities add up, to MaxQuantity.
	// Repeating it, or an unknown token, changes nothing.
	Merge(ctx context.Context, req MergeRequest) (MergeReply, error)
	// CheckOut takes what an order bought out of the user's cart, once per order;
	// what was added or set again meanwhile stays. Repeating it changes nothing.
	CheckOut(ctx context.Context, req CheckOutRequest) (CheckOutReply, error)
}

// Owner is whose cart: exactly one field is set. A user's cart is for that
// user (or the shop itself); whoever holds a guest's token holds the cart.
type Owner struct {
	UserID     string `json:"user_id,omitempty"`
	GuestToken string `json:"guest_token,omitempty"`
}

// OpenRequest asks for a guest's cart.
type OpenRequest struct {
	SKU string `json:"sku,omitempty"` // what is put in next; empty: nothing yet
}

// OpenReply carries the token of the new guest cart.
type OpenReply struct {
	GuestToken string `json:"guest_token"`
}

// GetRequest names a cart.
type GetRequest struct {
	Owner    Owner `json:"owner"`
	Unpriced bool  `json:"unpriced,omitempty"` // whoever prices the lines for itself saves a look-up
}

// SetItemRequest sets a quantity.
type SetItemRequest struct {
	Owner    Owner  `json:"owner"`
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// RemoveItemRequest names a line.
type RemoveItemRequest struct {
	Owner Owner  `json:"owner"`
	SKU   string `json:"sku"`
}

// MergeRequest joins a guest's cart into a user's.
type MergeRequest struct {
	UserID     string `json:"user_id"`
	GuestToken string `json:"guest_token"`
}

// MergeReply counts the lines that were moved.
type MergeReply struct {
	Lines int `json:"lines"`
}

// CheckOutRequest says what an order bought.
type CheckOutRequest struct {
	UserID  string    `json:"user_id"`
	OrderID string    `json:"order_id"`
	Items   []CartRef `json:"items"`
}

// CartRef is a quantity of a SKU. With a Revision it is the line as it was
// then: one that was set since is left alone.
type CartRef struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Revision int64  `json:"revision,omitempty"`
}

// CheckOutReply is empty.
type CheckOutReply struct{}

// Cart is what somebody means to buy. Subtotal adds the lines whose price is known.
type Cart struct {
	Lines     []Line      `json:"lines"` // in the order in which they were added
	Subtotal  money.Money `json:"subtotal"`
	UpdatedAt time.Time   `json:"updated_at"`
}

// Line is one SKU. UnitPrice and Total are nil while the SKU is not for sale.
type Line struct {
	SKU       string       `json:"sku"`
	Title     string       `json:"title"`
	Quantity  int          `json:"quantity"`
	Revision  int64        `json:"revision"` // changes whenever the line is set, or an order takes a part of it
	UnitPrice *money.Money `json:"unit_price"`
	Total     *money.Money `json:"total"`
}
