package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// OnDispatched records that a payment is to be captured, because its goods have
// left. The worker does it: nothing outside is called in a handler.
func (s *Service) OnDispatched(ctx context.Context, _ event.Meta, e shipping.ShipmentChanged) error {
	p, found, err := s.Store.ByOrder(ctx, e.OrderID)
	if err != nil {
		return fmt.Errorf("find the order's payment: %w", err)
	}
	if !found { // it is paid from a wallet, or cost nothing
		return nil
	}
	if p.Tombstone() {
		return fmt.Errorf("order %s was dispatched, but its payment was given up", e.OrderID)
	}
	if _, err := s.Store.AddOperation(ctx, s.operation(p, KindCapture, captureKey(p.ID), p.Amount)); err != nil {
		return fmt.Errorf("record the capture: %w", err)
	}
	s.Store.AfterCommit(ctx, s.Wake)
	return nil
}

// OnCancelled gives up the payment of a cancelled order.
func (s *Service) OnCancelled(ctx context.Context, _ event.Meta, e orders.OrderEnded) error {
	_, err := s.giveUp(ctx, ForOrder, e.OrderID)
	if err != nil {
		return fmt.Errorf("give up the order's payment: %w", err)
	}
	return nil
}

func (s *Service) performCapture(ctx context.Context, op Operation) error {
	p, err := s.reload(ctx, op.PaymentID)
	if err != nil {
		return err
	}
	if p.Status == payments.Captured || p.Status == payments.Refunded {
		return s.endAlone(ctx, op, Ending{Status: OpDone})
	}
	if op.Repeated() {
		if c, found, err := s.Provider.Find(ctx, op.Key); err != nil || found {
			return s.captured(ctx, p, c, err)
		}
	}
	if p.Status == payments.Pending && !p.VoidWanted {
		return errors.New("the payment is not authorised yet")
	}
	if p.Status != payments.Authorised || p.VoidWanted {
		return s.refuseCapture(ctx, p, op, fmt.Sprintf("the payment is %s or was given up", p.Status))
	}
	c, err := s.Provider.Capture(ctx, p.ChargeID, op.Key, money.Of(op.Amount, op.Currency))
	var no *Refusal
	if errors.As(err, &no) {
		return s.refuseCapture(ctx, p, op, no.Error())
	}
	return s.captured(ctx, p, c, err)
}

func (s *Service) captured(ctx context.Context, p Payment, c Charge, err error) error {
	if err != nil {
		return err
	}
	_, err = s.observe(ctx, p, c)
	return err
}

// refuseCapture ends a capture that cannot be done. Where goods have left, a person
// must know; whoever makes a deposit is told.
func (s *Service) refuseCapture(ctx context.Context, p Payment, op Operation, why string) error {
	if p.Purpose == ForOrder {
		s.Log.ErrorContext(ctx, "goods have left, but their payment cannot be captured: see to it by hand", "payment", op.PaymentID, "reason", why)
	}
	return s.endAlone(ctx, op, Ending{Status: OpRefused, Reason: "capture_refused", Message: why})
}
