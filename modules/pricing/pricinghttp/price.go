// Package pricinghttp is pricing's HTTP API, written against its contract only.
package pricinghttp

import (
	"context"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Deps is what the handlers call.
type Deps struct {
	Pricing pricing.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/prices/{sku}", Access: web.Public,
		Summary: "What a SKU costs",
		Codes:   []string{pricing.PriceNotFound.Name()},
	}, d.price)
	web.Handle(r, web.Route{
		Method: http.MethodPut, Path: "/prices/{sku}", Access: web.Staff,
		Summary: "Set what a SKU costs",
		Codes:   []string{pricing.InvalidPrice.Name()},
		Example: `{"price": {"amount": 2499, "currency": "USD"}, "compare_at_price": null}`,
	}, d.setPrice)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/promotions", Access: web.Staff, Statuses: []int{http.StatusCreated},
		Summary: "Make a promotion code",
		Codes:   []string{pricing.PromotionExists.Name(), pricing.InvalidPromotion.Name()},
		Example: `{
			"code": "SPRING10", "kind": "percent", "value": 10,
			"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z",
			"min_subtotal": {"amount": 1000, "currency": "USD"}, "usage_limit": 100
		}`,
	}, d.createPromotion)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/quotes", Access: web.Public, Statuses: []int{http.StatusCreated},
		Summary: "What an order would cost",
		Codes: []string{
			pricing.UnknownPrice.Name(), pricing.InvalidPromotion.Name(), pricing.ShippingUnavailable.Name(), pricing.InvalidQuote.Name(),
		},
		Example: `{
			"items": [{"sku": "fiddle-leaf-fig--small", "quantity": 2}],
			"country": "US", "shipping_method": "standard", "promo_code": null
		}`,
	}, d.quote)
}

type priceInput struct {
	SKU string `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
}

func (d Deps) price(ctx context.Context, in priceInput) (web.Reply[pricing.Price], error) {
	reply, err := d.Pricing.Prices(ctx, pricing.PricesRequest{SKUs: []string{in.SKU}})
	if err != nil {
		return web.Reply[pricing.Price]{}, err
	}
	if len(reply.Items) == 0 {
		return web.Reply[pricing.Price]{}, pricing.PriceNotFound.Errorf("%s has no price", in.SKU)
	}
	return web.OK(reply.Items[0]), nil
}

type setPriceInput struct {
	SKU  string    `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
	Body priceBody `body:""`
}

type priceBody struct {
	Price     money.Money  `json:"price"`
	CompareAt *money.Money `json:"compare_at_price" doc:"What it used to cost; null for nothing."`
}

func (d Deps) setPrice(ctx context.Context, in setPriceInput) (web.Reply[pricing.Price], error) {
	p := pricing.Price{SKU: in.SKU, Price: in.Body.Price, CompareAt: in.Body.CompareAt}
	_, err := d.Pricing.SetPrices(ctx, pricing.SetPricesRequest{Prices: []pricing.Price{p}})
	return web.OK(p), ofBody(err)
}

// ofBody makes pointers into the command's one price point into the body.
func ofBody(err error) error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	for i := range f.Fields {
		f.Fields[i].Pointer = strings.TrimPrefix(f.Fields[i].Pointer, "/prices/0")
	}
	return f
}
