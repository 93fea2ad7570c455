package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

const (
	// unseenWatch is how long after the last try of an authorisation a charge
	// could still come through on a slow way; until then we look for it.
	unseenWatch = time.Minute
	watchPause  = 5 * time.Second
	// inFlightPause is the time until we look again for a charge being made now.
	inFlightPause = 500 * time.Millisecond
	// voidPatience is how long a caller of Void waits for the provider.
	voidPatience = 4 * time.Second
)

// Void gives up an order's payment.
func (s *Service) Void(ctx context.Context, req payments.OrderRequest) (payments.VoidReply, error) {
	return s.void(ctx, ForOrder, req.OrderID)
}

// VoidDeposit gives up a deposit's payment.
func (s *Service) VoidDeposit(ctx context.Context, req payments.DepositRequest) (payments.VoidReply, error) {
	return s.void(ctx, ForDeposit, req.DepositID)
}

// void records what is wanted in one transaction; the provider is asked at once,
// and by the worker if that does not work out.
func (s *Service) void(ctx context.Context, purpose, reference string) (payments.VoidReply, error) {
	if reference == "" {
		return payments.VoidReply{}, payments.InvalidPayment.Errorf("name the %s whose payment is given up", purpose)
	}
	known, found, err := s.Store.ByOrder(ctx, reference)
	if err != nil {
		return payments.VoidReply{}, fmt.Errorf("find the %s's payment: %w", purpose, err)
	}
	who := port.PrincipalFrom(ctx)
	switch {
	case !who.Has(port.RoleStaff) && (!found || !who.MayActFor(known.UserID)):
		return payments.VoidReply{}, fault.Forbidden.Errorf("the payment of this %s is not yours to give up", purpose)
	case found && known.Purpose != purpose:
		return payments.VoidReply{}, payments.InvalidPayment.Errorf("the payment under this id is of no %s", purpose)
	}
	var op Operation
	var mine bool
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		op, mine = Operation{}, false
		key, err := s.giveUp(ctx, purpose, reference)
		if err != nil || key == "" || s.Provider.Ready() != nil { // the worker sees to it then
			return err
		}
		now := s.Now()
		op, mine, err = s.Store.Claim(ctx, key, now, now.Add(claimTime))
		return err
	})
	if err != nil {
		return payments.VoidReply{}, fmt.Errorf("give up the payment: %w", err)
	}
	if mine {
		work, cancel := context.WithTimeout(ctx, voidPatience)
		defer cancel()
		s.perform(work, op)
	}
	return payments.VoidReply{}, nil
}

// giveUp records, in the transaction of ctx, that nothing may stay charged for an
// order or deposit, and gives the key of the operation that sees to it, "" where there is
// nothing to do.
func (s *Service) giveUp(ctx context.Context, purpose, reference string) (string, error) {
	now := s.Now()
	tombstone := Payment{
		ID: s.NewID(), OrderID: reference, Purpose: purpose, Status: payments.Voided, VoidWanted: true, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	fresh, err := s.Store.Insert(ctx, tombstone)
	if err != nil || fresh {
		return "", err
	}
	p, _, err := s.Store.ByOrder(ctx, reference)
	if err != nil || p.Tombstone() {
		return "", err
	}
	key := ""
	_, err = s.apply(ctx, p, func(p *Payment) error {
		p.GiveUp()
		return reserveRest(p)
	}, func(ctx context.Context, before, after Payment) error {
		key = ""
		switch after.Status {
		case payments.Captured, payments.Refunded:
			key, err = s.refundRest(ctx, before, after)
			return err
		case payments.Pending, payments.Authorised:
			_, err := s.Store.AddOperation(ctx, s.operation(after, KindVoid, voidKey(after.ID), after.Amount))
			key = voidKey(after.ID)
			return err
		}
		return nil
	})
	if key != "" {
		s.Store.AfterCommit(ctx, s.Wake)
	}
	return key, err
}

// reserveRest promises all that is left of a captured payment to one refund.
func reserveRest(p *Payment) error {
	if p.Left() == 0 {
		return nil
	}
	return p.Reserve(p.Left())
}

// refundRest records the refund of what reserveRest promised, and gives its key.
func (s *Service) refundRest(ctx context.Context, before, after Payment) (string, error) {
	rest := after.RefundPending - before.RefundPending
	if rest == 0 {
		return "", nil
	}
	op := s.operation(after, KindRefund, "", rest)
	op.Key = refundKey(op.ID)
	_, err := s.Store.AddOperation(ctx, op)
	return op.Key, err
}

// performVoid sees to it that nothing stays charged. What the provider says the
// charge is decides what is done, so a capture or a charge that overtook us is
// found at the next look.
func (s *Service) performVoid(ctx context.Context, op Operation) error {
	p, err := s.reload(ctx, op.PaymentID)
	if err != nil {
		return err
	}
	switch p.Status {
	case payments.DeclinedBy:
		return s.endAlone(ctx, op, Ending{Status: OpDone})
	case payments.Captured, payments.Refunded:
		return s.giveBack(ctx, p, op)
	}
	if p.Status == payments.Pending { // only a charge that failed is given up before it was made
		ctx = Again(ctx)
	}
	c, found, err := s.Provider.Find(ctx, authoriseKey(p.OrderID))
	if err != nil {
		return err
	}
	if !found {
		return s.voidUnseen(ctx, p, op)
	}
	if c.Status == ChargeAuthorised {
		var no *Refusal
		switch c, err = s.Provider.Void(ctx, c.ID, op.Key); {
		case errors.As(err, &no): // it changed meanwhile: look again
			return err
		case err != nil:
			return err
		}
	}
	if p, err = s.observe(ctx, p, c); err != nil {
		return err
	}
	if p.Status == payments.Captured {
		return s.giveBack(ctx, p, op)
	}
	return s.endAlone(ctx, op, Ending{Status: OpDone})
}

// voidUnseen gives up a payment that the provider does not know. A charge may
// still be on its way: while one is being sent we wait, and for some time after
// we look for a late one.
func (s *Service) voidUnseen(ctx context.Context, p Payment, op Operation) error {
	auth, found, err := s.Store.OperationByKey(ctx, authoriseKey(p.OrderID))
	if err != nil {
		return fmt.Errorf("find the authorisation of payment %s: %w", p.ID, err)
	}
	now := s.Now()
	if found && auth.Open() && auth.Claimed(now) {
		s.release(ctx, op, inFlightPause)
		return nil
	}
	if p.Status == payments.Authorised {
		return fmt.Errorf("the provider does not know the charge %s of payment %s", p.ChargeID, p.ID)
	}
	_, err = s.apply(ctx, p, func(p *Payment) error {
		p.Void("")
		return nil
	}, func(ctx context.Context, _, after Payment) error {
		return s.end(ctx, KindAuthorise, authoriseKey(after.OrderID), Ending{Status: OpRefused, Reason: payments.AlreadyVoided.Name(), Message: "given up before the provider answered"})
	})
	if err != nil {
		return err
	}
	if found && auth.TriedAt != nil && now.Before(auth.TriedAt.Add(unseenWatch)) {
		s.release(ctx, op, watchPause)
		return nil
	}
	return s.endAlone(ctx, op, Ending{Status: OpDone})
}

// giveBack turns a void that came after the capture into a refund of what is left.
func (s *Service) giveBack(ctx context.Context, p Payment, op Operation) error {
	_, err := s.apply(ctx, p, reserveRest, func(ctx context.Context, before, after Payment) error {
		if _, err := s.refundRest(ctx, before, after); err != nil {
			return err
		}
		s.Store.AfterCommit(ctx, s.Wake)
		return s.end(ctx, op.Kind, op.Key, Ending{Status: OpDone})
	})
	return err
}

// endAlone ends an operation in a transaction of its own.
func (s *Service) endAlone(ctx context.Context, op Operation, e Ending) error {
	return s.Store.Atomic(ctx, func(ctx context.Context) error { return s.end(ctx, op.Kind, op.Key, e) })
}
