package paymentstest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// Fake keeps payments in memory and charges nobody. It knows the sandbox's cards
// but tok_flaky and tok_slow, which simply approve. A function field, if set,
// answers instead.
type Fake struct {
	AuthorizeFunc func(context.Context, payments.AuthorizeRequest) (payments.Payment, error)
	CaptureFunc   func(context.Context, payments.DepositRequest) (payments.Payment, error)
	VoidFunc      func(context.Context, payments.OrderRequest) (payments.VoidReply, error)
	RefundFunc    func(context.Context, payments.RefundRequest) (payments.Payment, error)

	mu      sync.Mutex
	byOrder map[string]*payments.Payment // or by deposit
	givenUp map[string]bool
	refunds map[string]refund
}

type refund struct {
	fingerprint string
	payment     payments.Payment
	err         error
}

var _ payments.Service = (*Fake)(nil)

// NewFake makes an empty fake.
func NewFake() *Fake {
	return &Fake{byOrder: map[string]*payments.Payment{}, givenUp: map[string]bool{}, refunds: map[string]refund{}}
}

// Harness is the fake as the conformance suite wants it.
func (f *Fake) Harness() Harness {
	return Harness{
		Service: f, Settle: func(*testing.T) {},
		Capture: func(t *testing.T, orderID string) { t.Helper(); require.True(t, f.Capture(orderID)) },
		Charges: func(_ *testing.T, orderID string) []string {
			f.mu.Lock()
			defer f.mu.Unlock()
			if p := f.byOrder[orderID]; p != nil && p.Status != payments.DeclinedBy {
				return []string{p.Status}
			}
			return nil
		},
	}
}

// Capture takes the money of an order, as the event that its goods have left
// does, or of a deposit; false when it is not authorised.
func (f *Fake) Capture(orderID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.byOrder[orderID]
	if p == nil || p.Status != payments.Authorised {
		return false
	}
	p.Status, p.Captured = payments.Captured, p.Amount
	return true
}

// Authorize approves unless the token says otherwise.
func (f *Fake) Authorize(ctx context.Context, req payments.AuthorizeRequest) (payments.Payment, error) {
	if f.AuthorizeFunc != nil {
		return f.AuthorizeFunc(ctx, req)
	}
	var none payments.Payment
	if (req.OrderID == "") == (req.DepositID == "") || req.UserID == "" || req.Token == "" || req.Amount.Amount < 0 || req.Amount.Currency == "" {
		return none, payments.InvalidPayment.Errorf("the payment cannot be asked for like this")
	}
	if !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return none, fault.Forbidden.Errorf("a payment is authorised for oneself only")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	reference := req.OrderID + req.DepositID
	p := f.byOrder[reference]
	switch {
	case f.givenUp[reference]:
		return none, payments.AlreadyVoided.Errorf("the order's payment was given up")
	case p != nil && (p.OrderID != req.OrderID || p.UserID != req.UserID || p.Amount != req.Amount):
		return none, payments.InvalidPayment.Errorf("the order has a payment of another amount or user already")
	case p != nil && p.Status == payments.DeclinedBy:
		return none, payments.Declined.Errorf("the card was declined: %s", p.Reason)
	case p != nil:
		return *p, nil
	case req.Token == "tok_error":
		return none, payments.ProviderUnavailable.Errorf("the payment provider cannot be asked at present, try again")
	}
	now := clock.System()
	zero := req.Amount
	zero.Amount = 0
	p = &payments.Payment{
		ID: id.V7(), OrderID: req.OrderID, DepositID: req.DepositID, UserID: req.UserID, Status: payments.Authorised,
		Amount: req.Amount, Captured: zero, Refunded: zero, CreatedAt: now, UpdatedAt: now,
	}
	f.byOrder[reference] = p
	if req.Token == "tok_declined" || req.Token == "tok_insufficient_funds" {
		p.Status, p.Reason = payments.DeclinedBy, req.Token
		return none, payments.Declined.Errorf("the card was declined: %s", p.Reason)
	}
	return *p, nil
}

// Void gives an order's payment up.
func (f *Fake) Void(ctx context.Context, req payments.OrderRequest) (payments.VoidReply, error) {
	if f.VoidFunc != nil {
		return f.VoidFunc(ctx, req)
	}
	return f.void(ctx, req.OrderID)
}

func (f *Fake) void(ctx context.Context, reference string) (payments.VoidReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.byOrder[reference]
	if who := port.PrincipalFrom(ctx); !who.Has(port.RoleStaff) && (p == nil || !who.MayActFor(p.UserID)) {
		return payments.VoidReply{}, fault.Forbidden.Errorf("this payment is not yours to give up")
	}
	f.givenUp[reference] = true
	switch {
	case p == nil:
	case p.Status == payments.Authorised:
		p.Status = payments.Voided
	case p.Status == payments.Captured || p.Status == payments.Refunded:
		p.Status, p.Refunded = payments.Refunded, p.Captured
	}
	return payments.VoidReply{}, nil
}

// Refund gives back up to what was captured.
func (f *Fake) Refund(ctx context.Context, req payments.RefundRequest) (payments.Payment, error) {
	if f.RefundFunc != nil {
		return f.RefundFunc(ctx, req)
	}
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return payments.Payment{}, fault.Forbidden.Errorf("only staff may refund")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := port.IdempotencyKeyFrom(ctx)
	name := key.Scope + "\n" + key.Key
	if first, ok := f.refunds[name]; ok && !key.IsZero() {
		if first.fingerprint != key.Fingerprint {
			return payments.Payment{}, idempotency.Reused.Errorf("the key was used for another request: use a fresh one")
		}
		port.MarkReplayed(ctx)
		return first.payment, first.err
	}
	p, err := f.refund(req)
	f.refunds[name] = refund{key.Fingerprint, p, err}
	return p, err
}

func (f *Fake) refund(req payments.RefundRequest) (payments.Payment, error) {
	if req.Amount.Amount <= 0 {
		return payments.Payment{}, payments.InvalidPayment.Errorf("give an amount above 0")
	}
	for _, p := range f.byOrder {
		switch {
		case p.ID != req.PaymentID:
			continue
		case p.Amount.Currency != req.Amount.Currency:
			return payments.Payment{}, payments.InvalidPayment.Errorf("the payment is in %s", p.Amount.Currency)
		case p.DepositID != "":
			return payments.Payment{}, payments.NotRefundable.Errorf("the money of a deposit is in a wallet")
		case p.Status != payments.Captured && p.Status != payments.Refunded || req.Amount.Amount > p.Captured.Amount-p.Refunded.Amount:
			return payments.Payment{}, payments.NotRefundable.Errorf("so much was not captured")
		}
		p.Status = payments.Refunded
		p.Refunded.Amount += req.Amount.Amount
		return *p, nil
	}
	return payments.Payment{}, payments.PaymentNotFound.Errorf("there is no payment %q", req.PaymentID)
}

// Get gives a payment to its owner or staff.
func (f *Fake) Get(ctx context.Context, req payments.GetRequest) (payments.Payment, error) {
	return f.find(ctx, func(p *payments.Payment) bool { return p.ID == req.PaymentID })
}

// ByOrder gives an order's payment.
func (f *Fake) ByOrder(ctx context.Context, req payments.OrderRequest) (payments.Payment, error) {
	return f.find(ctx, func(p *payments.Payment) bool { return p.OrderID == req.OrderID && p.DepositID == "" })
}

// ByDeposit gives a deposit's payment.
func (f *Fake) ByDeposit(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
	return f.find(ctx, func(p *payments.Payment) bool { return p.DepositID == req.DepositID && p.OrderID == "" })
}

// CaptureDeposit takes a deposit's money.
func (f *Fake) CaptureDeposit(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
	if f.CaptureFunc != nil {
		return f.CaptureFunc(ctx, req)
	}
	p, err := f.ByDeposit(ctx, req)
	f.mu.Lock()
	gone := f.givenUp[req.DepositID]
	f.mu.Unlock()
	switch {
	case err != nil:
		return payments.Payment{}, err
	case gone:
		return payments.Payment{}, payments.AlreadyVoided.Errorf("the deposit's payment was given up")
	case p.Status == payments.DeclinedBy:
		return payments.Payment{}, payments.Declined.Errorf("the card was declined: %s", p.Reason)
	}
	f.Capture(req.DepositID)
	return f.ByDeposit(ctx, req)
}

// VoidDeposit gives a deposit's payment up.
func (f *Fake) VoidDeposit(ctx context.Context, req payments.DepositRequest) (payments.VoidReply, error) {
	return f.void(ctx, req.DepositID)
}

func (f *Fake) find(ctx context.Context, is func(*payments.Payment) bool) (payments.Payment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.byOrder {
		if is(p) && port.PrincipalFrom(ctx).MayActFor(p.UserID) {
			return *p, nil
		}
	}
	return payments.Payment{}, payments.PaymentNotFound.Errorf("there is no such payment")
}

// TakeWebhook believes no message.
func (f *Fake) TakeWebhook(context.Context, payments.WebhookRequest) (payments.WebhookReply, error) {
	return payments.WebhookReply{}, payments.WebhookRefused.Errorf("the signature does not fit the message")
}
