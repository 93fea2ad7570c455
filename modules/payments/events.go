package payments

import (
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
)

// Topic of the events about one payment; the aggregate is the payment's id.
const Topic = "payments.payment"

// PaymentChanged says where a payment now stands. Amount is what this change moved.
type PaymentChanged struct {
	PaymentID string      `json:"payment_id"`
	OrderID   string      `json:"order_id"`             // empty: it is a deposit's
	DepositID string      `json:"deposit_id,omitempty"` // empty: it is an order's
	UserID    string      `json:"user_id"`
	Amount    money.Money `json:"amount"`
	Refunded  money.Money `json:"refunded,omitzero"` // with a refund: all that was given back so far; zero in older events
}

// What is published about a payment.
var (
	PaymentAuthorised = event.Define[PaymentChanged](Topic, "payments.authorised")
	PaymentDeclined   = event.Define[PaymentChanged](Topic, "payments.declined")
	PaymentCaptured   = event.Define[PaymentChanged](Topic, "payments.captured")
	PaymentRefunded   = event.Define[PaymentChanged](Topic, "payments.refunded")
	PaymentVoided     = event.Define[PaymentChanged](Topic, "payments.voided")
)

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{PaymentAuthorised, PaymentDeclined, PaymentCaptured, PaymentRefunded, PaymentVoided}
}
