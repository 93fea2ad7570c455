// Package pricing is the contract of the pricing context: prices per SKU,
// promotions, tax rates and quotes. Nothing else of the module may be imported.
package pricing

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	UnknownPrice        = fault.Define("price.unknown", fault.KindInvalid)
	PriceNotFound       = fault.Define("price.not_found", fault.KindNotFound)
	InvalidPrice        = fault.Define("price.invalid", fault.KindInvalid)
	InvalidPromotion    = fault.Define("promotion.invalid", fault.KindInvalid)
	PromotionExists     = fault.Define("promotion.exists", fault.KindConflict)
	QuoteExpired        = fault.Define("quote.expired", fault.KindConflict)
	InvalidQuote        = fault.Define("quote.invalid", fault.KindInvalid)
	ShippingUnavailable = fault.Define("shipping.unavailable", fault.KindInvalid)
)

// QuoteTTL is how long a quote fixes its numbers.
const QuoteTTL = 15 * time.Minute

// Service is what other contexts and the HTTP edge may ask of pricing.
type Service interface {
	// SetPrices sets prices, at most 500 a call. For staff. Repeating it changes
	// nothing. Codes: InvalidPrice (nothing is set then), fault.Forbidden.
	SetPrices(ctx context.Context, req SetPricesRequest) (SetPricesReply, error)
	// Prices gives the prices among these SKUs that are known, at most 500 a call.
	// May be repeated.
	Prices(ctx context.Context, req PricesRequest) (PricesReply, error)
	// CreatePromotion makes a promotion code. For staff.
	// Codes: PromotionExists, InvalidPromotion, fault.Forbidden.
	CreatePromotion(ctx context.Context, req CreatePromotionRequest) (Promotion, error)
	// Quote fixes every number of an order for QuoteTTL. With a Key (an order id)
	// repeating it returns the first quote, and a use of the promotion is taken for that key.
	// Once it ended or was released, a quote with that key is refused. A key is for the shop itself.
	// Codes: UnknownPrice, InvalidPromotion, ShippingUnavailable, InvalidQuote, QuoteExpired, fault.Forbidden.
	Quote(ctx context.Context, req QuoteRequest) (Quote, error)
	// ReleaseQuote gives the promotion's use back when the order with this key did not come
	// to be. Repeating it changes nothing; what was never quoted cannot be quoted afterwards.
	// For the shop itself. Codes: InvalidQuote (no key), fault.Forbidden.
	ReleaseQuote(ctx context.Context, req ReleaseQuoteRequest) (ReleaseQuoteReply, error)
}

// Price of a SKU. CompareAt is what it used to cost, nil for none.
type Price struct {
	SKU       string       `json:"sku"`
	Price     money.Money  `json:"price"`
	CompareAt *money.Money `json:"compare_at_price"`
}

// SetPricesRequest sets prices.
type SetPricesRequest struct {
	Prices []Price `json:"prices"`
}

// SetPricesReply counts what was different before.
type SetPricesReply struct {
	Changed int `json:"changed"`
}

// PricesRequest asks for prices by SKU.
type PricesRequest struct {
	SKUs []string `json:"skus"`
}

// PricesReply holds the known ones, in the order asked.
type PricesReply struct {
	Items []Price `json:"items"`
}

// Kinds of promotions.
const (
	Percent = "percent"
	Fixed   = "fixed"
)

// Promotion takes something off an order's subtotal.
type Promotion struct {
	Code        string      `json:"code"`         // upper case, unique
	Kind        string      `json:"kind"`         // Percent or Fixed
	Value       int64       `json:"value"`        // whole percent 1..100, or minor units
	StartsAt    time.Time   `json:"starts_at"`    // first instant it counts
	EndsAt      time.Time   `json:"ends_at"`      // first instant it no longer counts
	MinSubtotal money.Money `json:"min_subtotal"` // zero: none
	UsageLimit  int64       `json:"usage_limit"`  // orders; 0: no limit
	Used        int64       `json:"used"`
}

// CreatePromotionRequest asks for a promotion; Used is ignored.
type CreatePromotionRequest struct {
	Promotion Promotion `json:"promotion"`
}

// QuoteRequest asks what these would cost. ShippingMethod is "standard" or "express".
type QuoteRequest struct {
	Key            string      `json:"key,omitempty"` // order id; empty: only asking
	Items          []QuoteItem `json:"items"`         // 1..100 lines
	Country        string      `json:"country"`       // ISO 3166-1 alpha-2
	ShippingMethod string      `json:"shipping_method"`
	PromoCode      string      `json:"promo_code,omitempty"`
}

// QuoteItem is one line: 1..99 of a SKU.
type QuoteItem struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Quote fixes numbers. Total = Subtotal − Discount + Shipping + Tax, to the cent.
// Tax is on top, rounded half-even per line.
type Quote struct {
	ID        string      `json:"id"`
	Lines     []QuoteLine `json:"lines"`
	Subtotal  money.Money `json:"subtotal"`
	Discount  money.Money `json:"discount"`
	Shipping  money.Money `json:"shipping"`
	Tax       money.Money `json:"tax"`
	Total     money.Money `json:"total"`
	Weight    int64       `json:"weight_grams"`
	PromoCode string      `json:"promo_code,omitempty"`
	ExpiresAt time.Time   `json:"expires_at"`
}

// QuoteLine is one priced line. Total = Unit × Quantity; Discount and Tax are this line's share.
type QuoteLine struct {
	SKU      string      `json:"sku"`
	Title    string      `json:"title"`
	Quantity int         `json:"quantity"`
	Unit     money.Money `json:"unit_price"`
	Total    money.Money `json:"total"`
	Discount money.Money `json:"discount"`
	Tax      money.Money `json:"tax"`
}

// ReleaseQuoteRequest names the order.
type ReleaseQuoteRequest struct {
	Key string `json:"key"`
}

// ReleaseQuoteReply is empty.
type ReleaseQuoteReply struct{}
