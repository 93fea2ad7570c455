package pricinghttp_test

import (
	"net/http"
	"testing"

	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
)

// Null says the same as leaving an optional field out.
func TestNullIsNone(t *testing.T) {
	t.Parallel()
	products, s := setup(t)
	catalogtest.MustPublish(t, products, catalogtest.Input("fig"))
	s.Do(http.MethodPut, "/api/v1/prices/fig", object{"price": usd(1000)}, staff).Require(http.StatusOK)
	s.Do(http.MethodPost, "/api/v1/quotes", object{
		"items": []object{{"sku": "fig", "quantity": 1}}, "country": "US", "shipping_method": "standard", "promo_code": nil,
	}).Require(http.StatusCreated)
	endless := promotion("ENDLESS")
	endless["usage_limit"], endless["min_subtotal"] = nil, nil
	s.Do(http.MethodPost, "/api/v1/promotions", endless, staff).Require(http.StatusCreated)
}
