// Package core decides about payments: which state follows which, what the
// provider is asked and when, and what its answers mean. It knows no SQL, no
// HTTP and no broker.
package core

import (
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/payments"
)

// What a payment is for.
const (
	ForOrder   = "order"
	ForDeposit = "deposit"
)

// Payment of one order or deposit. Amounts are in minor units of Currency.
type Payment struct {
	ID, UserID    string
	OrderID       string // or the deposit's: there is one payment for each id
	Purpose       string // which of both it is
	Status        string
	Currency      string
	Amount        int64
	Captured      int64
	Refunded      int64
	RefundPending int64  // promised to refunds that the provider has not done yet
	VoidWanted    bool   // the order was given up: nothing may stay charged
	ChargeID      string // the provider's name for it, empty until it answered
	Reason        string
	Version       int64 // events published so far
	Revision      int64 // of the stored row
	CreatedAt     time.Time
	UpdatedAt     time.Time

	changed bool
	news    []event.Event
}

// Tombstone tells whether the row only says that an order was given up before
// its payment was asked for.
func (p *Payment) Tombstone() bool { return p.UserID == "" }

// Left is what could still be given back.
func (p *Payment) Left() int64 { return p.Captured - p.Refunded - p.RefundPending }

// stillCharged tells whether something stays charged though it was given up, and no
// refund is under way.
func (p *Payment) stillCharged() bool { return p.VoidWanted && p.Left() > 0 }

// Changed tells whether a method changed the payment since it was loaded.
func (p *Payment) Changed() bool { return p.changed }

// News are the events of the changes since it was loaded.
func (p *Payment) News() []event.Event { return p.news }

// Authorise notes that the provider set the money aside. Only a pending payment
// that is still wanted becomes authorised; of any other only the charge is noted.
func (p *Payment) Authorise(chargeID string) {
	if p.ChargeID == "" {
		p.ChargeID, p.changed = chargeID, true
	}
	if p.Status == payments.Pending && !p.VoidWanted {
		p.Status = payments.Authorised
		p.tell(payments.PaymentAuthorised, p.Amount)
	}
}

// Decline notes a refusal of the provider. It is final.
func (p *Payment) Decline(chargeID, reason string) {
	if p.Status != payments.Pending {
		return
	}
	p.ChargeID, p.Reason, p.Status = chargeID, reason, payments.DeclinedBy
	p.tell(payments.PaymentDeclined, p.Amount)
}

// Capture notes that the money was taken, all of it. It tells whether that is new.
func (p *Payment) Capture(chargeID string) bool {
	if p.Status != payments.Authorised && p.Status != payments.Pending {
		return false
	}
	if p.ChargeID == "" {
		p.ChargeID = chargeID
	}
	p.Captured, p.Status = p.Amount, payments.Captured
	p.tell(payments.PaymentCaptured, p.Amount)
	return true
}

// GiveUp marks that nothing may stay charged.
func (p *Payment) GiveUp() {
	if !p.VoidWanted {
		p.VoidWanted, p.changed = true, true
	}
}

// Void notes that nothing is set aside any more.
func (p *Payment) Void(chargeID string) {
	if p.ChargeID == "" && chargeID != "" {
		p.ChargeID, p.changed = chargeID, true
	}
	if p.Status != payments.Pending && p.Status != payments.Authorised {
		return
	}
	moved := int64(0)
	if p.Status == payments.Authorised {
		moved = p.Amount
	}
	p.Status = payments.Voided
	p.tell(payments.PaymentVoided, moved)
}

// Reserve promises an amount to a refund, so that refunds that run at the same
// time never exceed what was captured. Codes: NotRefundable.
func (p *Payment) Reserve(amount int64) error {
	if p.Purpose == ForDeposit && !p.VoidWanted {
		return payments.NotRefundable.Errorf("the money of a deposit is in a wallet: withdraw it there")
	}
	if p.Status != payments.Captured && p.Status != payments.Refunded {
		return payments.NotRefundable.Errorf("the payment is %s: only what was captured can be given back", p.Status)
	}
	if amount > p.Left() {
		return payments.NotRefundable.Errorf("%v can still be given back, not %v", money.Of(p.Left(), p.Currency), money.Of(amount, p.Currency))
	}
	p.RefundPending, p.changed = p.RefundPending+amount, true
	return nil
}

// SettleRefund notes that a reserved amount was given back.
func (p *Payment) SettleRefund(amount int64) {
	p.RefundPending -= amount
	p.Refunded += amount
	p.Status = payments.Refunded
	p.tell(payments.PaymentRefunded, amount)
}

// ReleaseRefund takes a promise back, because the provider refused.
func (p *Payment) ReleaseRefund(amount int64) {
	p.RefundPending, p.changed = p.RefundPending-amount, true
}

func (p *Payment) tell(t *event.Type[payments.PaymentChanged], amount int64) {
	p.Version++
	p.changed = true
	order, deposit := p.reference()
	change := payments.PaymentChanged{
		PaymentID: p.ID, OrderID: order, DepositID: deposit, UserID: p.UserID, Amount: money.Of(amount, p.Currency),
	}
	if t == payments.PaymentRefunded {
		change.Refunded = money.Of(p.Refunded, p.Currency)
	}
	p.news = append(p.news, t.New(p.ID, p.Version, change))
}

// reference gives the id under which the payment was asked for, as the contract shows it.
func (p *Payment) reference() (order, deposit string) {
	if p.Purpose == ForDeposit {
		return "", p.OrderID
	}
	return p.OrderID, ""
}

// View is the payment as the contract shows it.
func (p *Payment) View() payments.Payment {
	order, deposit := p.reference()
	return payments.Payment{
		ID: p.ID, OrderID: order, DepositID: deposit, UserID: p.UserID, Status: p.Status,
		Amount: money.Of(p.Amount, p.Currency), Captured: money.Of(p.Captured, p.Currency), Refunded: money.Of(p.Refunded, p.Currency),
		Reason: p.Reason, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}
