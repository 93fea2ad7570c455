package core

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Limits of what a request may hold, in characters and milliseconds.
const (
	maxText = 200
	maxWait = 10_000
)

// checkPlacement refuses a request that can never become an order. Pointers are
// those of the HTTP body.
func checkPlacement(ctx context.Context, req orders.PlaceRequest) error {
	if req.UserID == "" || !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return fault.Forbidden.Errorf("orders can only be placed for oneself")
	}
	wrong := orders.InvalidOrder.Errorf("the order cannot be read: see errors")
	address := req.ShippingAddress
	for _, f := range []struct {
		pointer, value string
		required       bool
	}{
		{"/shipping_address/name", address.Name, true},
		{"/shipping_address/line1", address.Line1, true},
		{"/shipping_address/line2", address.Line2, false},
		{"/shipping_address/city", address.City, true},
		{"/shipping_address/postal_code", address.PostalCode, true},
		{"/promo_code", req.PromoCode, false},
	} {
		switch {
		case f.required && strings.TrimSpace(f.value) == "":
			wrong.WithField(f.pointer, "must not be empty")
		case utf8.RuneCountInString(f.value) > maxText:
			wrong.WithField(f.pointer, "must have at most 200 characters")
		}
	}
	if !isCountry(address.Country) {
		wrong.WithField("/shipping_address/country", "must be two capital letters (ISO 3166-1 alpha-2)")
	}
	if req.ShippingMethod != shipping.Standard && req.ShippingMethod != shipping.Express {
		wrong.WithField("/shipping_method", `must be "standard" or "express"`)
	}
	if req.WaitMillis < 0 || req.WaitMillis > maxWait {
		wrong.WithField("header/Prefer", "the wait must be between 0 and 10 seconds")
	}
	switch req.PaymentMethod {
	case orders.ByCard:
		if req.PaymentToken == "" || len(req.PaymentToken) > maxText {
			wrong.WithField("/payment/token", "must be the provider's name for the card")
		}
	case orders.ByWallet:
		if req.PaymentToken != "" {
			wrong.WithField("/payment/token", "must be left out: a wallet needs no card")
		}
	default:
		wrong.WithField("/payment/method", `must be "card" or "wallet"`)
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	return nil
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}
