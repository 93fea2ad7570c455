package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

var (
	errRepeat = errors.New("the request was made before")
	errEnded  = errors.New("the operation has ended already")
)

// Refund gives money back. The amount is reserved before the provider is asked,
// so refunds that run at the same time cannot exceed what was captured. The
// operation remembers the caller's key and what it was answered.
func (s *Service) Refund(ctx context.Context, req payments.RefundRequest) (payments.Payment, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return payments.Payment{}, fault.Forbidden.Errorf("only staff may refund")
	}
	key := port.IdempotencyKeyFrom(ctx)
	op, err := s.beginRefund(ctx, req, key)
	if errors.Is(err, errRepeat) {
		return s.repeatRefund(ctx, requestKey(key), key.Fingerprint)
	}
	if err != nil {
		return payments.Payment{}, err
	}
	return s.doRefund(ctx, op)
}

// requestKey is the caller's key within its scope, "" where there is none.
func requestKey(k port.IdempotencyKey) string {
	if k.IsZero() {
		return ""
	}
	return k.Scope + "\n" + k.Key
}

// beginRefund reserves the amount, or remembers why it cannot be.
func (s *Service) beginRefund(ctx context.Context, req payments.RefundRequest, key port.IdempotencyKey) (Operation, error) {
	request := requestKey(key)
	op := s.operation(Payment{ID: req.PaymentID, Currency: req.Amount.Currency}, KindRefund, "", req.Amount.Amount)
	op.Key, op.RequestKey, op.Fingerprint = refundKey(op.ID), request, key.Fingerprint
	var refused *fault.Error
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		refused = nil
		if request != "" {
			if _, found, err := s.Store.OperationByRequest(ctx, request); err != nil || found {
				return errors.Join(err, repeated(found))
			}
		}
		err := s.reserve(ctx, req, s.claimed(op))
		if !errors.As(err, &refused) || fault.Retryable(err) || request == "" {
			return err
		}
		no := op
		no.Status, no.Reason, no.Message = OpRefused, refused.Code.Name(), refused.Message
		fields, err := json.Marshal(refused.Fields)
		if err != nil {
			return fmt.Errorf("write down the refusal: %w", err)
		}
		no.Reply = string(fields)
		return s.addRefund(ctx, no)
	})
	if err == nil && refused != nil {
		return op, refused
	}
	return s.claimed(op), err
}

func repeated(found bool) error {
	if found {
		return errRepeat
	}
	return nil
}

func (s *Service) addRefund(ctx context.Context, op Operation) error {
	fresh, err := s.Store.AddOperation(ctx, op)
	if err != nil {
		return fmt.Errorf("record the refund: %w", err)
	}
	return repeated(!fresh)
}

// reserve promises the amount in the transaction of ctx.
// Codes: InvalidPayment, PaymentNotFound, NotRefundable; they leave no trace.
func (s *Service) reserve(ctx context.Context, req payments.RefundRequest, op Operation) error {
	if req.Amount.Amount <= 0 {
		return payments.InvalidPayment.Errorf("the refund cannot be made like this").WithField("/amount/amount", "give an amount above 0")
	}
	p, found, err := s.Store.ByID(ctx, req.PaymentID)
	if err != nil {
		return fmt.Errorf("find the payment: %w", err)
	}
	if !found || p.Tombstone() {
		return payments.PaymentNotFound.Errorf("there is no payment %q", req.PaymentID)
	}
	if p.Currency != req.Amount.Currency {
		return payments.InvalidPayment.Errorf("the payment is in %s", p.Currency).WithField("/amount/currency", "give "+p.Currency)
	}
	_, err = s.apply(ctx, p, func(p *Payment) error { return p.Reserve(req.Amount.Amount) },
		func(ctx context.Context, _, _ Payment) error { return s.addRefund(ctx, op) })
	return err
}

func (s *Service) repeatRefund(ctx context.Context, request, fingerprint string) (payments.Payment, error) {
	op, found, err := s.Store.OperationByRequest(ctx, request)
	if err != nil || !found {
		return payments.Payment{}, errors.Join(err, errors.New("find the refund that was made under this key"))
	}
	if op.Fingerprint != fingerprint {
		return payments.Payment{}, idempotency.Reused.Errorf("the key was used for another request: use a fresh one")
	}
	if !op.Open() {
		port.MarkReplayed(ctx)
		return refundAnswer(op)
	}
	var mine bool
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		now := s.Now()
		taken, ok, err := s.Store.Claim(ctx, op.Key, now, now.Add(claimTime))
		if mine = ok; ok {
			op = taken
		}
		return err
	})
	if err != nil {
		return payments.Payment{}, fmt.Errorf("go on with the refund: %w", err)
	}
	if mine {
		return s.doRefund(ctx, op)
	}
	if op, _, err = s.Store.OperationByKey(ctx, op.Key); err != nil {
		return payments.Payment{}, fmt.Errorf("find the refund: %w", err)
	}
	if op.Open() {
		return payments.Payment{}, idempotency.InFlight.Errorf("the refund is still being made, ask again")
	}
	port.MarkReplayed(ctx)
	return refundAnswer(op)
}

// doRefund asks the provider under a claim, and answers what came of it.
func (s *Service) doRefund(ctx context.Context, op Operation) (payments.Payment, error) {
	work, cancel := context.WithTimeout(ctx, workLimit)
	defer cancel()
	s.perform(work, op)
	tidy, done := s.tidy(ctx)
	defer done()
	op, found, err := s.Store.OperationByKey(tidy, op.Key)
	if err != nil || !found {
		return payments.Payment{}, fmt.Errorf("find the refund: %w", err)
	}
	return refundAnswer(op)
}

func refundAnswer(op Operation) (p payments.Payment, err error) {
	switch op.Status {
	case OpDone:
		if err := json.Unmarshal([]byte(op.Reply), &p); err != nil {
			return p, fmt.Errorf("read what the refund was answered: %w", err)
		}
		return p, nil
	case OpRefused:
		no := payments.NotRefundable.Errorf("%s", op.Message)
		for _, code := range []fault.Code{payments.InvalidPayment, payments.PaymentNotFound} {
			if code.Name() == op.Reason {
				no.Code = code
			}
		}
		if op.Reply != "" {
			if err := json.Unmarshal([]byte(op.Reply), &no.Fields); err != nil {
				return p, fmt.Errorf("read why the refund was refused: %w", err)
			}
		}
		return p, no
	}
	return p, payments.ProviderUnavailable.Errorf("the payment provider cannot be asked at present: the amount is reserved, and the refund is made as soon as it can be")
}

func (s *Service) performRefund(ctx context.Context, op Operation) error {
	p, err := s.reload(ctx, op.PaymentID)
	if err != nil {
		return err
	}
	if op.Repeated() {
		_, found, err := s.Provider.Find(ctx, op.Key)
		if err != nil {
			return err
		}
		if found {
			return s.refunded(ctx, p, op)
		}
	}
	_, err = s.Provider.Refund(ctx, p.ChargeID, op.Key, money.Of(op.Amount, op.Currency))
	var no *Refusal
	switch {
	case errors.As(err, &no):
		return s.refundRefused(ctx, p, op, no)
	case err != nil:
		return err
	}
	return s.refunded(ctx, p, op)
}

func (s *Service) refunded(ctx context.Context, p Payment, op Operation) error {
	_, err := s.endRefund(ctx, p, op, func(p *Payment) { p.SettleRefund(op.Amount) }, func(p Payment) (Ending, error) {
		reply, err := json.Marshal(p.View())
		return Ending{Status: OpDone, Reply: string(reply)}, err
	})
	return err
}

// refundRefused ends a refund that cannot be done. Whoever asked for it is told; where
// it was to give back what was given up, nobody asked, and a person must know.
func (s *Service) refundRefused(ctx context.Context, p Payment, op Operation, no *Refusal) error {
	after, err := s.endRefund(ctx, p, op, func(p *Payment) { p.ReleaseRefund(op.Amount) }, func(Payment) (Ending, error) {
		return Ending{Status: OpRefused, Reason: payments.NotRefundable.Name(), Message: no.Error()}, nil
	})
	if err == nil && after.stillCharged() {
		s.Log.ErrorContext(ctx, "a payment was given up, but its money cannot be given back: refund it again, or see to it by hand",
			"payment", op.PaymentID, "reason", no.Error())
	}
	return err
}

// endRefund settles a reservation once: whoever finds the operation ended undoes
// his own change, and gets no payment.
func (s *Service) endRefund(ctx context.Context, p Payment, op Operation, move func(*Payment), ending func(Payment) (Ending, error)) (Payment, error) {
	var status string
	after, err := s.apply(ctx, p, func(p *Payment) error {
		if p.RefundPending < op.Amount {
			return errEnded
		}
		move(p)
		return nil
	}, func(ctx context.Context, _, after Payment) error {
		e, err := ending(after)
		if err != nil {
			return fmt.Errorf("write down the answer: %w", err)
		}
		e.At, status = s.Now(), e.Status
		ok, err := s.Store.Settle(ctx, op.Key, e)
		if err == nil && !ok {
			return errEnded
		}
		return err
	})
	if errors.Is(err, errEnded) {
		return Payment{}, nil
	}
	if err == nil {
		s.Observer.Operation(op.Kind, status)
	}
	return after, err
}
