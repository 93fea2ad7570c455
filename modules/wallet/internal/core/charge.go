package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Attempts as a checkout has them: authoriseTries gives a card that always fails up within
// some seconds, captureTries outlasts a restart of payments.
const (
	authoriseTries = 6
	captureTries   = 10
	chargeTimeout  = 5 * time.Minute
	// chargeDeadline is for one attempt: a slow provider takes three seconds.
	chargeDeadline = 6 * time.Second
)

// Charge is what a deposit remembers between its steps. Token is the provider's
// name for the card; it is wiped as soon as it is not needed.
type Charge struct {
	UserID    string      `json:"user_id"`
	Amount    money.Money `json:"amount"`
	Token     string      `json:"token,omitempty"`
	PaymentID string      `json:"payment_id,omitempty"`
}

// charge takes the money and then, in the transaction that ends the saga, credits
// it. Whatever fails for good, the payment is given up: voided, or refunded if it
// was captured. After a crash the steps are done again, and payments finds what
// it did before.
func (s *Deposits) charge() saga.Definition[Charge] {
	return saga.Definition[Charge]{
		Name: "wallet.deposit",
		Steps: []saga.Step[Charge]{
			{Name: "authorise the card", Do: s.authorise, Undo: s.giveUp, Attempts: authoriseTries, Deadline: chargeDeadline},
			{Name: "capture the money", Do: s.capture, Attempts: captureTries, Deadline: chargeDeadline},
		},
		Finish:  s.credit,
		Fail:    s.fail,
		Hide:    func(c *Charge) { c.Token = "" },
		Timeout: chargeTimeout,
	}
}

func (s *Deposits) authorise(ctx context.Context, id string, c *Charge) error {
	p, err := s.Payments.Authorize(ctx, payments.AuthorizeRequest{DepositID: id, UserID: c.UserID, Amount: c.Amount, Token: c.Token})
	if err != nil {
		return err
	}
	c.PaymentID = p.ID
	return nil
}

// giveUp is done for a charge without known outcome too: it makes a late one impossible.
func (s *Deposits) giveUp(ctx context.Context, id string, c *Charge) error {
	c.Token = ""
	_, err := s.Payments.VoidDeposit(ctx, payments.DepositRequest{DepositID: id})
	return err
}

func (s *Deposits) capture(ctx context.Context, id string, c *Charge) error {
	p, err := s.Payments.CaptureDeposit(ctx, payments.DepositRequest{DepositID: id})
	if err != nil {
		return err
	}
	if p.Captured != c.Amount {
		return fmt.Errorf("deposit %s: %v was captured, not %v", id, p.Captured, c.Amount)
	}
	return nil
}

func (s *Deposits) credit(ctx context.Context, id string, c *Charge) error {
	settled, err := s.Store.Settle(ctx, id, DepositCredited, "", c.PaymentID, s.Now())
	if err != nil || !settled {
		return err
	}
	c.Token = ""
	return s.Wallets.Credit(ctx, c.UserID, id, c.Amount)
}

func (s *Deposits) fail(ctx context.Context, id string, c *Charge, cause *fault.Error) error {
	c.Token = ""
	reason := wallet.CardUnavailable
	switch {
	case cause == nil:
	case errors.Is(cause, payments.Declined), errors.Is(cause, payments.InvalidPayment), errors.Is(cause, payments.NotCapturable):
		reason = wallet.CardDeclined
	case errors.Is(cause, wallet.LimitExceeded):
		reason = wallet.LimitExceeded
	}
	_, err := s.Store.Settle(ctx, id, DepositFailed, reason.Name(), c.PaymentID, s.Now())
	return err
}
