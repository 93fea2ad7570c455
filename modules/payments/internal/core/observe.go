package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/modules/payments"
)

// observe applies what the provider says about an order's charge. It may be told
// the same twice, late, or in any order: a payment only moves forward.
func (s *Service) observe(ctx context.Context, p Payment, c Charge) (Payment, error) {
	if !ours(p, c) {
		return p, fmt.Errorf("charge %s is not the one of payment %s", c.ID, p.ID)
	}
	return s.apply(ctx, p, func(p *Payment) error {
		see(p, c)
		return nil
	}, func(ctx context.Context, before, after Payment) error {
		return s.follow(ctx, before, after, c)
	})
}

func see(p *Payment, c Charge) {
	switch c.Status {
	case ChargeAuthorised:
		p.Authorise(c.ID)
	case ChargeDeclined:
		p.Decline(c.ID, c.Reason)
	case ChargeCaptured, ChargeRefunded:
		p.Capture(c.ID)
	case ChargeVoided:
		if p.VoidWanted {
			p.Void(c.ID)
		}
	}
}

// follow ends the operations that the charge answers, and opens the void again
// when a charge came through after its order was given up.
func (s *Service) follow(ctx context.Context, before, after Payment, c Charge) error {
	if before.Status == payments.Pending {
		if err := s.endAuthorise(ctx, after, c); err != nil {
			return err
		}
	}
	if after.Status == payments.Captured && before.Status != payments.Captured {
		if err := s.end(ctx, KindCapture, captureKey(after.ID), Ending{Status: OpDone}); err != nil {
			return err
		}
	}
	if c.Status == ChargeAuthorised && after.VoidWanted {
		s.Store.AfterCommit(ctx, s.Wake)
		return s.Store.Reopen(ctx, voidKey(after.ID), s.Now())
	}
	return nil
}

func (s *Service) endAuthorise(ctx context.Context, p Payment, c Charge) error {
	end := Ending{Status: OpDone}
	if c.Status == ChargeDeclined {
		end = Ending{Status: OpRefused, Reason: payments.Declined.Name(), Message: c.Reason}
	}
	return s.end(ctx, KindAuthorise, authoriseKey(p.OrderID), end)
}

// end ends an operation; one that has ended stays as it is.
func (s *Service) end(ctx context.Context, kind, key string, e Ending) error {
	e.At = s.Now()
	ended, err := s.Store.Settle(ctx, key, e)
	if err != nil {
		return fmt.Errorf("end operation %s: %w", key, err)
	}
	if ended {
		s.Store.AfterCommit(ctx, func() { s.Observer.Operation(kind, e.Status) })
	}
	return nil
}

// later gives an operation back after a failed try, with the time of the next.
// When it was tried too often a person is told. Failing to write it down is no
// harm: the claim runs out by itself. What was not sent was no try.
func (s *Service) later(ctx context.Context, op Operation, cause error) {
	if errors.Is(cause, ErrNotAsked) {
		s.release(ctx, op, sparedPause+pause(1))
		return
	}
	op.Attempts++
	op.Message = cause.Error()
	outcome := "failed"
	if op.Attempts >= parkAfter {
		if op.Status != OpParked {
			outcome = OpParked
		}
		op.Status = OpParked
	}
	s.release(ctx, op, pause(op.Attempts))
	s.Observer.Operation(op.Kind, outcome)
	level := s.Log.WarnContext
	if outcome == OpParked {
		level = s.Log.ErrorContext
	}
	level(ctx, "provider operation "+outcome, "kind", op.Kind, "payment", op.PaymentID, "attempts", op.Attempts, "error", cause)
}
