package core

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// Outbox publishes in the transaction that ctx carries.
type Outbox interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Observer is told how operations went: outcome is done, refused, failed or parked.
type Observer interface {
	Operation(kind, outcome string)
}

// Deps is what the core requires.
type Deps struct {
	Store         Store
	Provider      Provider
	Outbox        Outbox
	Now           clock.Clock
	NewID         id.Source
	Log           *slog.Logger
	Observer      Observer
	WebhookSecret string // empty: no webhook is believed
}

// Service implements the contract.
type Service struct {
	Deps
	wake chan struct{}
}

var _ payments.Service = (*Service)(nil)

// New makes the service.
func New(d Deps) *Service { return &Service{Deps: d, wake: make(chan struct{}, 1)} }

// Get gives a payment to its owner or staff.
func (s *Service) Get(ctx context.Context, req payments.GetRequest) (payments.Payment, error) {
	p, found, err := s.Store.ByID(ctx, req.PaymentID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("find the payment: %w", err)
	}
	return shown(ctx, p, found, "there is no payment %q", req.PaymentID)
}

// ByOrder gives an order's payment.
func (s *Service) ByOrder(ctx context.Context, req payments.OrderRequest) (payments.Payment, error) {
	p, found, err := s.Store.ByOrder(ctx, req.OrderID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("find the order's payment: %w", err)
	}
	return shown(ctx, p, found && p.Purpose == ForOrder, "the order %q has no payment", req.OrderID)
}

// ByDeposit gives a deposit's payment.
func (s *Service) ByDeposit(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
	p, found, err := s.Store.ByOrder(ctx, req.DepositID)
	if err != nil {
		return payments.Payment{}, fmt.Errorf("find the deposit's payment: %w", err)
	}
	return shown(ctx, p, found && p.Purpose == ForDeposit, "the deposit %q has no payment", req.DepositID)
}

func shown(ctx context.Context, p Payment, found bool, message, name string) (payments.Payment, error) {
	if !found || p.Tombstone() || !port.PrincipalFrom(ctx).MayActFor(p.UserID) {
		return payments.Payment{}, payments.PaymentNotFound.Errorf(message, name)
	}
	return p.View(), nil
}

// applyTries bounds how often a change is made again because others changed the
// payment in between; each lost try means that somebody else got on.
const applyTries = 10

// apply changes a payment: move decides on what is known of it, then writes what
// belongs to the same transaction. Both may run again on a fresher payment, so
// they keep nothing.
func (s *Service) apply(ctx context.Context, known Payment, move func(*Payment) error, then func(ctx context.Context, before, after Payment) error) (Payment, error) {
	var out Payment
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		p := known
		for range applyTries {
			q := p
			q.changed, q.news = false, nil
			if err := move(&q); err != nil {
				return err
			}
			ok, err := s.write(ctx, &q)
			if err != nil {
				return err
			}
			if ok {
				out = q
				if then == nil {
					return nil
				}
				return then(ctx, p, q)
			}
			if p, err = s.reload(ctx, known.ID); err != nil {
				return err
			}
		}
		return fault.Unavailable.Errorf("payment %s is being changed by many at once, try again", known.ID)
	})
	return out, err
}

func (s *Service) write(ctx context.Context, q *Payment) (bool, error) {
	if !q.changed { // a decision to change nothing must not rest on an old row either
		now, err := s.reload(ctx, q.ID)
		return now.Revision == q.Revision, err
	}
	q.UpdatedAt = s.Now()
	ok, err := s.Store.Update(ctx, q)
	if err != nil {
		return false, fmt.Errorf("change payment %s: %w", q.ID, err)
	}
	if !ok || len(q.news) == 0 {
		return ok, nil
	}
	return true, s.Outbox.Publish(ctx, q.news...)
}

func (s *Service) reload(ctx context.Context, paymentID string) (Payment, error) {
	p, found, err := s.Store.ByID(ctx, paymentID)
	if err != nil {
		return Payment{}, fmt.Errorf("load payment %s: %w", paymentID, err)
	}
	if !found {
		return Payment{}, fmt.Errorf("load payment %s: it is gone", paymentID)
	}
	return p, nil
}

// Wake tells the worker that there may be something to do.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
