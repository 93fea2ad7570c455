// Package payments is the contract of the payments context: one payment per order
// and one per deposit into a wallet, and what the provider did. Nothing else of the
// module may be imported.
package payments

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	Declined            = fault.Define("payment.declined", fault.KindConflict)
	ProviderUnavailable = fault.Define("payment.unavailable", fault.KindUnavailable)
	PaymentNotFound     = fault.Define("payment.not_found", fault.KindNotFound)
	InvalidPayment      = fault.Define("payment.invalid", fault.KindInvalid)
	MethodUnsupported   = fault.Define("payment.method_unsupported", fault.KindInvalid)
	NotRefundable       = fault.Define("payment.not_refundable", fault.KindConflict)
	AlreadyVoided       = fault.Define("payment.voided", fault.KindConflict)
	NotCapturable       = fault.Define("payment.not_capturable", fault.KindConflict)
	WebhookRefused      = fault.Define("payment.webhook_refused", fault.KindUnauthenticated)
)

// Statuses of a payment.
const (
	Pending    = "pending" // the provider has not answered yet
	Authorised = "authorised"
	Captured   = "captured"
	Refunded   = "refunded" // something of it was given back
	Voided     = "voided"
	DeclinedBy = "declined"
)

// SettledWithin is how long what the provider is asked for in the background may take,
// by the audits: while the provider is away a void waits. The audit of payments names
// what takes longer.
const SettledWithin = 10 * time.Minute

// Service is what other contexts and the HTTP edge may ask of payments.
type Service interface {
	// Authorize asks the provider to set the amount aside for an order, or for a
	// deposit. One payment for each, never charged twice: repeating it, also after a
	// lost reply or a crash, finds the first. A refusal is remembered.
	// Codes: Declined, ProviderUnavailable (retry), InvalidPayment, AlreadyVoided.
	Authorize(ctx context.Context, req AuthorizeRequest) (Payment, error)
	// Void gives up an order's payment: voids what is authorised, refunds what is
	// captured, and makes a later Authorize answer AlreadyVoided. An order without payment
	// is fine. Repeating it changes nothing. It is done with the provider in the background
	// when that cannot answer now. Codes: none of its own.
	Void(ctx context.Context, req OrderRequest) (VoidReply, error)
	// CaptureDeposit takes the money that was set aside for a deposit. An order's is
	// taken when its goods leave, and by nothing else. Repeating it finds the first.
	// Codes: PaymentNotFound, Declined, AlreadyVoided, NotCapturable, ProviderUnavailable (retry).
	CaptureDeposit(ctx context.Context, req DepositRequest) (Payment, error)
	// VoidDeposit is Void for a deposit.
	VoidDeposit(ctx context.Context, req DepositRequest) (VoidReply, error)
	// ByDeposit gives a deposit's payment. May be repeated. Codes: PaymentNotFound.
	ByDeposit(ctx context.Context, req DepositRequest) (Payment, error)
	// Refund gives back up to what was captured and not refunded yet. For staff;
	// keyed by the caller's Idempotency-Key. A deposit's money is in a wallet, and is
	// withdrawn from there.
	// Codes: PaymentNotFound, NotRefundable, InvalidPayment, ProviderUnavailable, fault.Forbidden.
	Refund(ctx context.Context, req RefundRequest) (Payment, error)
	// Get gives a payment to its owner or staff. May be repeated. Codes: PaymentNotFound.
	Get(ctx context.Context, req GetRequest) (Payment, error)
	// ByOrder gives an order's payment. May be repeated. Codes: PaymentNotFound.
	ByOrder(ctx context.Context, req OrderRequest) (Payment, error)
	// TakeWebhook hears what the provider has to tell. The message is signed by the
	// provider; duplicates and late ones do no harm, so it may be repeated.
	// Codes: WebhookRefused, fault.Malformed.
	TakeWebhook(ctx context.Context, req WebhookRequest) (WebhookReply, error)
}

// AuthorizeRequest asks for money to be set aside, for an order or for a deposit:
// one of both is named. Its id is the reference in the provider's ledger.
type AuthorizeRequest struct {
	OrderID   string      `json:"order_id"`
	DepositID string      `json:"deposit_id,omitempty"`
	UserID    string      `json:"user_id"`
	Amount    money.Money `json:"amount"`
	Token     string      `json:"token"` // the provider's name for a card; never logged
}

// OrderRequest names a payment by its order.
type OrderRequest struct {
	OrderID string `json:"order_id"`
}

// DepositRequest names a payment by its deposit.
type DepositRequest struct {
	DepositID string `json:"deposit_id"`
}

// VoidReply is empty.
type VoidReply struct{}

// RefundRequest gives money back.
type RefundRequest struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
}

// GetRequest names a payment.
type GetRequest struct {
	PaymentID string `json:"payment_id"`
}

// WebhookRequest is a message of the provider, byte for byte as it came.
type WebhookRequest struct {
	Signature string `json:"signature"` // the header Sandbox-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">
	Body      []byte `json:"body"`
}

// WebhookReply is empty.
type WebhookReply struct{}

// Payment of one order or deposit.
type Payment struct {
	ID        string      `json:"id"`
	OrderID   string      `json:"order_id"`             // empty: it is a deposit's
	DepositID string      `json:"deposit_id,omitempty"` // empty: it is an order's
	UserID    string      `json:"user_id"`
	Status    string      `json:"status" enum:"pending,authorised,captured,refunded,voided,declined"`
	Amount    money.Money `json:"amount"`   // authorised
	Captured  money.Money `json:"captured"` // taken
	Refunded  money.Money `json:"refunded"` // given back
	Reason    string      `json:"reason,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
}
