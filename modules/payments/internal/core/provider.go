package core

import (
	"context"
	"errors"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
)

// Statuses of a charge, as the provider names them.
const (
	ChargeAuthorised = "authorised"
	ChargeCaptured   = "captured"
	ChargeVoided     = "voided"
	ChargeRefunded   = "refunded"
	ChargeDeclined   = "declined"
)

// Charge is the provider's record of one payment. Lists leave Captured and
// Refunded out.
type Charge struct {
	ID        string      `json:"id"`
	Reference string      `json:"reference"` // order id
	Amount    money.Money `json:"amount"`
	Status    string      `json:"status"`
	Key       string      `json:"idempotency_key"` // under which it was made
	Reason    string      `json:"reason,omitempty"`
	Captured  int64       `json:"captured"`
	Refunded  int64       `json:"refunded"`
	CreatedAt time.Time   `json:"created_at"`
}

// ChargeRequest asks for money to be set aside.
type ChargeRequest struct {
	Key       string
	Reference string
	Amount    money.Money
	Token     string
}

// Provider moves the money. Every method is bounded in time and tries once: to
// try again is the business of operations, which know what may be repeated. A
// *Refusal is a definite no, after ErrNotAsked nothing has left; after any other
// error the outcome is unknown.
type Provider interface {
	// Ready is ErrNotAsked while the provider is sick and left alone. It costs nothing.
	Ready() error
	Charge(ctx context.Context, req ChargeRequest) (Charge, error)
	Capture(ctx context.Context, chargeID, key string, amount money.Money) (Charge, error)
	Void(ctx context.Context, chargeID, key string) (Charge, error)
	Refund(ctx context.Context, chargeID, key string, amount money.Money) (Charge, error)
	// Find gives the charge that was made, or acted upon, under a key.
	Find(ctx context.Context, key string) (Charge, bool, error)
	// Show gives a charge with all that is known of it.
	Show(ctx context.Context, chargeID string) (Charge, error)
	// ByReference gives every charge of an order, declined ones too.
	ByReference(ctx context.Context, orderID string) ([]Charge, error)
	// List pages through all charges; next is empty at the end.
	List(ctx context.Context, cursor string) (page []Charge, next string, err error)
}

// ErrNotAsked says that the provider was not asked, to spare it or us.
var ErrNotAsked = errors.New("the provider was not asked")

type againKey struct{}

// Again marks what only follows a try that failed: another try, a look-up, a
// clean-up. A sick provider gets few of these.
func Again(ctx context.Context) context.Context {
	return context.WithValue(ctx, againKey{}, true)
}

// IsAgain tells whether ctx is marked by Again.
func IsAgain(ctx context.Context) bool {
	again, _ := ctx.Value(againKey{}).(bool)
	return again
}

// Refusal is a definite no of the provider.
type Refusal struct{ Code, Message string }

func (r *Refusal) Error() string { return "the provider refused: " + r.Code + ": " + r.Message }
