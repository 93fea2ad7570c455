package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// CaptureDeposit takes the money that was set aside for a deposit. As with an
// authorisation, that it will be done is recorded before the provider is asked;
// the worker does what a crash left undone, and a repeat finds it done.
func (s *Service) CaptureDeposit(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
	for {
		p, found, err := s.Store.ByOrder(ctx, req.DepositID)
		if err != nil {
			return payments.Payment{}, fmt.Errorf("find the deposit's payment: %w", err)
		}
		switch {
		case !found || p.Purpose != ForDeposit || p.Tombstone() || !port.PrincipalFrom(ctx).MayActFor(p.UserID):
			return payments.Payment{}, payments.PaymentNotFound.Errorf("the deposit %q has no payment", req.DepositID)
		case p.VoidWanted || p.Status == payments.Voided:
			return payments.Payment{}, payments.AlreadyVoided.Errorf("the deposit's payment was given up: make a new deposit")
		case p.Status == payments.DeclinedBy:
			return payments.Payment{}, payments.Declined.Errorf("the card was declined: %s", p.Reason)
		case p.Status == payments.Captured:
			return p.View(), nil
		case p.Status == payments.Pending:
			return payments.Payment{}, payments.NotCapturable.Errorf("the deposit's payment is not authorised yet")
		}
		if cause := s.Provider.Ready(); cause != nil {
			return payments.Payment{}, unavailable(cause)
		}
		op, mine, err := s.beginCapture(ctx, p)
		switch {
		case err != nil:
			return payments.Payment{}, err
		case mine:
			return s.captureNow(ctx, op)
		case op.Status == OpRefused:
			return payments.Payment{}, payments.NotCapturable.Errorf("the provider does not give the money: %s", op.Message)
		}
		if err := s.await(ctx, op.Key); err != nil {
			return payments.Payment{}, err
		}
	}
}

// beginCapture records the capture, or finds the first one, and takes it if nobody
// is at it.
func (s *Service) beginCapture(ctx context.Context, p Payment) (op Operation, mine bool, err error) {
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		op = s.claimed(s.operation(p, KindCapture, captureKey(p.ID), p.Amount))
		if mine, err = s.Store.AddOperation(ctx, op); err != nil || mine {
			return err
		}
		now := s.Now()
		taken, ok, err := s.Store.Claim(ctx, op.Key, now, now.Add(claimTime))
		if err != nil || ok {
			op, mine = taken, ok
			return err
		}
		op, _, err = s.Store.OperationByKey(ctx, op.Key)
		return err
	})
	if err != nil {
		return op, false, fmt.Errorf("record the capture: %w", err)
	}
	return op, mine, nil
}

// captureNow asks the provider under a claim, and answers what came of it.
func (s *Service) captureNow(ctx context.Context, op Operation) (payments.Payment, error) {
	work, cancel := context.WithTimeout(ctx, workLimit)
	defer cancel()
	s.perform(work, op)
	tidy, done := s.tidy(ctx)
	defer done()
	p, err := s.reload(tidy, op.PaymentID)
	if err != nil {
		return payments.Payment{}, err
	}
	if p.Status == payments.Captured {
		return p.View(), nil
	}
	if op, _, err = s.Store.OperationByKey(tidy, op.Key); err == nil && op.Status == OpRefused {
		return payments.Payment{}, payments.NotCapturable.Errorf("the provider does not give the money: %s", op.Message)
	}
	return payments.Payment{}, payments.ProviderUnavailable.Errorf("the payment provider cannot be asked at present, try again")
}
