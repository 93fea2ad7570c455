package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

const (
	// workLimit bounds what is done at the provider under one claim; claimTime is
	// longer, so that a claim only runs out when its holder is gone or asleep.
	workLimit = 9 * time.Second
	claimTime = 12 * time.Second
	// tidyLimit bounds writing down what happened after the caller has gone.
	tidyLimit = 3 * time.Second
	// lookEvery is how often somebody looks again while another is at the provider.
	lookEvery = 40 * time.Millisecond
)

// Authorize sets the amount aside. The charge is made between two transactions:
// the first records that it will be made and under which key, the second what
// came of it. Whoever comes after a crash or a lost reply finds the first, and
// asks the provider before sending anything again.
func (s *Service) Authorize(ctx context.Context, req payments.AuthorizeRequest) (payments.Payment, error) {
	if err := checkAuthorize(req); err != nil {
		return payments.Payment{}, err
	}
	if !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return payments.Payment{}, fault.Forbidden.Errorf("a payment is authorised for oneself only")
	}
	for {
		if err := s.spare(ctx, s.newPayment(req).OrderID); err != nil {
			return payments.Payment{}, err
		}
		p, op, mine, err := s.begin(ctx, req)
		switch {
		case err != nil:
			return payments.Payment{}, err
		case p.Status != payments.Pending:
			return p.View(), nil
		case mine:
			return s.charge(ctx, p, op, req.Token)
		}
		if err := s.await(ctx, op.Key); err != nil {
			return payments.Payment{}, err
		}
	}
}

// spare refuses at once what would only wait for a provider that is left alone,
// and writes nothing down for it. A payment that is settled can still be given.
func (s *Service) spare(ctx context.Context, orderID string) error {
	cause := s.Provider.Ready()
	if cause == nil {
		return nil
	}
	p, found, err := s.Store.ByOrder(ctx, orderID)
	if err != nil {
		return fmt.Errorf("find the order's payment: %w", err)
	}
	if found && p.Status != payments.Pending {
		return nil
	}
	return unavailable(cause)
}

func unavailable(cause error) error {
	return payments.ProviderUnavailable.Wrap(cause, "the payment provider cannot be asked at present, try again")
}

// await returns when nobody is at the operation any more.
func (s *Service) await(ctx context.Context, key string) error {
	for {
		select {
		case <-ctx.Done():
			return payments.ProviderUnavailable.Wrap(ctx.Err(), "the order's payment is still being made, ask again")
		case <-time.After(lookEvery):
		}
		op, _, err := s.Store.OperationByKey(ctx, key)
		if err != nil {
			return fmt.Errorf("wait for the order's payment: %w", err)
		}
		if !op.Open() || !op.Claimed(s.Now()) {
			return nil
		}
	}
}

func checkAuthorize(req payments.AuthorizeRequest) error {
	e := payments.InvalidPayment.Errorf("the payment cannot be asked for like this")
	if (req.OrderID == "") == (req.DepositID == "") {
		e.WithField("/order_id", "name the order or the deposit")
	}
	if req.UserID == "" {
		e.WithField("/user_id", "name who pays")
	}
	if req.Amount.Amount < 0 || req.Amount.Currency == "" {
		e.WithField("/amount", "give an amount of 0 or more, with its currency")
	}
	if req.Token == "" {
		e.WithField("/token", "give the provider's token of the card")
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

// begin records the payment, or finds the first one, and takes its operation if
// nobody is at it. A payment that is settled is given as it is.
func (s *Service) begin(ctx context.Context, req payments.AuthorizeRequest) (p Payment, op Operation, mine bool, err error) {
	err = s.Store.Atomic(ctx, func(ctx context.Context) (err error) {
		p, mine = s.newPayment(req), false
		op = s.claimed(s.operation(p, KindAuthorise, authoriseKey(p.OrderID), p.Amount))
		if mine, err = s.Store.Begin(ctx, p, op); err != nil {
			return fmt.Errorf("record the payment: %w", err)
		}
		if mine {
			return nil
		}
		if p, _, err = s.Store.ByOrder(ctx, p.OrderID); err != nil {
			return fmt.Errorf("find the order's payment: %w", err)
		}
		if err := verdict(p, req); err != nil || p.Status != payments.Pending {
			return err
		}
		now := s.Now()
		taken, ok, err := s.Store.Claim(ctx, op.Key, now, now.Add(claimTime))
		if ok {
			op, mine = taken, true
		}
		return err
	})
	return p, op, mine, err
}

// verdict tells whether the order's payment can serve the request.
func verdict(p Payment, req payments.AuthorizeRequest) error {
	switch {
	case p.Purpose != purposeOf(req):
		return payments.InvalidPayment.Errorf("there is a payment of another kind under this id already")
	case p.VoidWanted || p.Status == payments.Voided:
		return payments.AlreadyVoided.Errorf("the order's payment was given up: place a new order")
	case p.UserID != req.UserID || p.Amount != req.Amount.Amount || p.Currency != req.Amount.Currency:
		return payments.InvalidPayment.Errorf("the order has a payment of another amount or user already")
	case p.Status == payments.DeclinedBy:
		return payments.Declined.Errorf("the card was declined: %s", p.Reason)
	}
	return nil
}

func purposeOf(req payments.AuthorizeRequest) string {
	if req.DepositID != "" {
		return ForDeposit
	}
	return ForOrder
}

func (s *Service) newPayment(req payments.AuthorizeRequest) Payment {
	now := s.Now()
	reference := req.OrderID
	if reference == "" {
		reference = req.DepositID
	}
	return Payment{
		ID: s.NewID(), OrderID: reference, Purpose: purposeOf(req), UserID: req.UserID, Status: payments.Pending,
		Amount: req.Amount.Amount, Currency: req.Amount.Currency, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
}

func (s *Service) operation(p Payment, kind, key string, amount int64) Operation {
	now := s.Now()
	return Operation{
		ID: s.NewID(), PaymentID: p.ID, Kind: kind, Amount: amount, Currency: p.Currency, Key: key,
		Status: OpPending, NextAt: now, CreatedAt: now, UpdatedAt: now,
	}
}

// claimed makes a new operation one that its maker is at.
func (s *Service) claimed(o Operation) Operation {
	now := s.Now()
	until := now.Add(claimTime)
	o.Epoch, o.ClaimedUntil, o.TriedAt, o.NextAt = 1, &until, &now, until
	return o
}

// charge asks the provider, under a claim.
func (s *Service) charge(ctx context.Context, p Payment, op Operation, token string) (payments.Payment, error) {
	work, cancel := context.WithTimeout(ctx, workLimit)
	defer cancel()
	c, err := s.chargeOnce(work, p, op, token)
	tidy, done := s.tidy(ctx)
	defer done()
	var no *Refusal
	switch {
	case errors.As(err, &no):
		p, err = s.observe(tidy, p, Charge{Reference: p.OrderID, Amount: money.Of(p.Amount, p.Currency), Key: op.Key, Status: ChargeDeclined, Reason: no.Code})
	case err != nil:
		s.later(tidy, op, err)
		return payments.Payment{}, unavailable(err)
	default:
		p, err = s.observe(tidy, p, c)
	}
	if err != nil {
		return payments.Payment{}, fmt.Errorf("record the provider's answer: %w", err)
	}
	view := p.View()
	req := payments.AuthorizeRequest{OrderID: view.OrderID, DepositID: view.DepositID, UserID: p.UserID, Amount: view.Amount}
	if err := verdict(p, req); err != nil {
		return payments.Payment{}, err
	}
	return p.View(), nil
}

// chargeOnce looks up what an earlier try may have done, sends, and looks up
// again when no clear answer came.
func (s *Service) chargeOnce(ctx context.Context, p Payment, op Operation, token string) (Charge, error) {
	if op.Repeated() {
		ctx = Again(ctx)
		if c, found, err := s.Provider.Find(ctx, op.Key); err != nil || found {
			return c, err
		}
	}
	c, err := s.Provider.Charge(ctx, ChargeRequest{Key: op.Key, Reference: p.OrderID, Amount: money.Of(p.Amount, p.Currency), Token: token})
	var no *Refusal
	if err == nil || errors.As(err, &no) || errors.Is(err, ErrNotAsked) {
		return c, err
	}
	if found, ok, lookup := s.Provider.Find(Again(ctx), op.Key); lookup == nil && ok {
		return found, nil
	}
	return Charge{}, err
}

// tidy gives a context to write down what happened, even if the caller has gone.
func (s *Service) tidy(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
}
