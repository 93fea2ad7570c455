// Package payments is a contract.
package payments

import (
	"context"

	"example.com/shop/internal/event"
)

type ChargeRequest struct{ Order string }

type Payment struct{ ID string }

type Service interface {
	Charge(ctx context.Context, req ChargeRequest) (Payment, error)
	Void(ctx context.Context, req ChargeRequest) (Payment, error)
}

var Charged = event.Define[Payment]("payments.payment", "payments.charged")
