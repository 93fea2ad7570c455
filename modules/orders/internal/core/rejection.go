package core

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// reasons are those that an order can be rejected for.
var reasons = []string{
	orders.StockInsufficient, orders.PaymentDeclined, orders.PaymentUnavailable, orders.PriceUnknown,
	orders.CartEmpty, orders.ShippingUnavailable, orders.PromotionInvalid, orders.CheckoutTimeout,
}

// meanings says which reason a neighbour's refusal is for the customer. A SKU
// that inventory does not know is one that cannot be had; a card that payments
// cannot read is one that was declined; a quote or reservation that expired
// under the checkout means that the checkout took too long.
var meanings = []struct {
	code   fault.Code
	reason string
}{
	{pricing.UnknownPrice, orders.PriceUnknown},
	{pricing.InvalidPromotion, orders.PromotionInvalid},
	{pricing.ShippingUnavailable, orders.ShippingUnavailable},
	{pricing.QuoteExpired, orders.CheckoutTimeout},
	{inventory.InsufficientStock, orders.StockInsufficient},
	{inventory.UnknownSKU, orders.StockInsufficient},
	{inventory.ReservationExpired, orders.CheckoutTimeout},
	{payments.Declined, orders.PaymentDeclined},
	{payments.InvalidPayment, orders.PaymentDeclined},
	{payments.ProviderUnavailable, orders.PaymentUnavailable},
	{wallet.InsufficientFunds, orders.PaymentDeclined},
	{wallet.InvalidRequest, orders.PaymentDeclined},
}

// because turns a neighbour's error into a fault whose code is the reason that
// the order is rejected for if nothing better happens; otherwise is the reason
// for an error that nobody foresaw, such as a neighbour that is down. Whether
// the step may be tried again stays as it was.
func because(err error, otherwise string) error {
	if err == nil || errors.Is(err, fault.Canceled) {
		return err // cancelled: this process stops, which says nothing about the order
	}
	reason := otherwise
	for _, m := range meanings {
		if errors.Is(err, m.code) {
			reason = m.reason
			break
		}
	}
	kind := fault.KindConflict
	if fault.Retryable(err) {
		kind = fault.KindUnavailable
	}
	cause := fault.From(err)
	f := fault.Define(reason, kind).Wrap(err, "%s", cause.Message)
	if reason == orders.StockInsufficient && len(cause.Details) > 0 {
		f.WithDetail(missingSKUs, strings.Join(slices.Sorted(maps.Keys(cause.Details)), ", "))
	}
	return f
}

// missingSKUs is the detail of a fault that says what there is too little of.
const missingSKUs = "skus"

// reasonOf gives the reason that a failed checkout is rejected for. Where its time
// was over, that is what it waited for last.
func reasonOf(cause *fault.Error) string {
	if cause == nil {
		return orders.CheckoutTimeout
	}
	for _, reason := range []string{cause.Code.Name(), cause.Details["last_code"]} {
		if slices.Contains(reasons, reason) {
			return reason
		}
	}
	return orders.CheckoutTimeout
}

// detail is what the customer reads in the order's history: which items there are too few
// of, and what pricing says of the promotion, in the words in which it answers a quote.
func detail(reason string, cause *fault.Error) string {
	switch {
	case cause == nil || cause.Code.Name() != reason:
	case reason == orders.StockInsufficient && cause.Details[missingSKUs] != "":
		return "not in stock any more: " + cause.Details[missingSKUs]
	case reason == orders.PromotionInvalid && cause.Message != "":
		return cause.Message
	}
	return details[reason]
}

// details is what it says of all else: our own words, as a neighbour's message may name
// what is none of the customer's business.
var details = map[string]string{
	orders.StockInsufficient:   "something is not in stock any more",
	orders.PaymentDeclined:     "the payment was declined",
	orders.PaymentUnavailable:  "the payment provider could not be reached",
	orders.PriceUnknown:        "something is not for sale",
	orders.CartEmpty:           "the cart is empty",
	orders.ShippingUnavailable: "we do not send to this address in this way",
	orders.PromotionInvalid:    "the promotion code is not valid for this order",
	orders.CheckoutTimeout:     "the checkout took too long",
}
