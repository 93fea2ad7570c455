package pricinghttp

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/pricing"
)

type promotionInput struct {
	Body promotionBody `body:""`
}

type promotionBody struct {
	Code        string       `json:"code" minLength:"1" maxLength:"64" example:"SPRING10"`
	Kind        string       `json:"kind" enum:"percent,fixed"`
	Value       int64        `json:"value" minimum:"1" doc:"Whole percent, 1 to 100, or minor units."`
	StartsAt    time.Time    `json:"starts_at"`
	EndsAt      time.Time    `json:"ends_at" doc:"The first instant at which it no longer counts."`
	MinSubtotal *money.Money `json:"min_subtotal" doc:"Least subtotal; null for none."`
	UsageLimit  *int64       `json:"usage_limit,omitempty" minimum:"0" doc:"Orders that may use it; 0 or null for any number."`
}

func (d Deps) createPromotion(ctx context.Context, in promotionInput) (web.Reply[pricing.Promotion], error) {
	b := in.Body
	p := pricing.Promotion{
		Code: b.Code, Kind: b.Kind, Value: b.Value, StartsAt: b.StartsAt, EndsAt: b.EndsAt,
	}
	if b.UsageLimit != nil {
		p.UsageLimit = *b.UsageLimit
	}
	if b.MinSubtotal != nil {
		p.MinSubtotal = *b.MinSubtotal
	}
	made, err := d.Pricing.CreatePromotion(ctx, pricing.CreatePromotionRequest{Promotion: p})
	return web.Created("", made), err
}

type quoteInput struct {
	Body quoteBody `body:""`
}

type quoteBody struct {
	Items          []quoteItem `json:"items" minItems:"1" maxItems:"100"`
	Country        string      `json:"country" pattern:"^[A-Z]{2}$" example:"US" doc:"ISO 3166-1 alpha-2."`
	ShippingMethod string      `json:"shipping_method" enum:"standard,express"`
	PromoCode      *string     `json:"promo_code,omitempty" maxLength:"64" doc:"Null or empty for none."`
}

type quoteItem struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
	Quantity int    `json:"quantity" minimum:"1" maximum:"99"`
}

func (d Deps) quote(ctx context.Context, in quoteInput) (web.Reply[pricing.Quote], error) {
	req := pricing.QuoteRequest{Country: in.Body.Country, ShippingMethod: in.Body.ShippingMethod}
	if in.Body.PromoCode != nil {
		req.PromoCode = *in.Body.PromoCode
	}
	for _, item := range in.Body.Items {
		req.Items = append(req.Items, pricing.QuoteItem(item))
	}
	q, err := d.Pricing.Quote(ctx, req)
	return web.Created("", q), err
}
