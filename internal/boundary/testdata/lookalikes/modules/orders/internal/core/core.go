// Package core calls neighbours, and holds transactions, but never both at once.
package core

import (
	"context"

	"example.com/shop/internal/database"
	"example.com/shop/internal/event"
	"example.com/shop/internal/saga"
	"example.com/shop/modules/catalog"
	"example.com/shop/modules/orders"
	"example.com/shop/modules/payments"
)

type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	AfterCommit(ctx context.Context, fn func())
	Words(ctx context.Context) error
}

type Service struct {
	Store    Store
	Events   *event.Outbox
	Sagas    *saga.Engine
	Catalog  catalog.Service
	Payments payments.Service
}

var _ orders.Service = (*Service)(nil)

func (s *Service) Place(ctx context.Context, req orders.PlaceRequest) (orders.Order, error) {
	product, err := s.Catalog.Find(ctx, catalog.FindRequest{SKU: req.SKU}) // before
	if err != nil {
		return orders.Order{}, err
	}
	charge := func(ctx context.Context) error { return s.charge(ctx, req.SKU) }
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		_ = catalog.Title(product)
		s.Store.AfterCommit(ctx, func() { _ = s.charge(ctx, req.SKU) }) // after
		if err := s.publish(ctx); err != nil {
			return err
		}
		free := database.Detach(ctx)
		if err := s.charge(free, req.SKU); err != nil { // on purpose
			return err
		}
		return s.Store.Atomic(ctx, s.Store.Words) // joins
	})
	if err != nil {
		return orders.Order{}, err
	}
	return orders.Order{}, charge(ctx) // after
}

func (s *Service) charge(ctx context.Context, order string) error {
	_, err := s.Payments.Charge(ctx, payments.ChargeRequest{Order: order})
	return err
}

func (s *Service) publish(ctx context.Context) error { return s.Events.Publish(ctx, event.Event{}) }

// each calls what it is given; once inside of a transaction, once outside.
func each(ctx context.Context, fns ...func(ctx context.Context) error) error {
	for _, fn := range fns {
		if err := fn(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) Twice(ctx context.Context) error {
	if err := each(ctx, func(ctx context.Context) error { return s.charge(ctx, "1") }); err != nil {
		return err
	}
	return s.Store.Atomic(ctx, func(ctx context.Context) error { return each(ctx, s.Store.Words, s.publish) })
}

type state struct{ Order string }

func (s *Service) Follow(c *event.Consumer) {
	event.On(c, payments.Charged, func(ctx context.Context, p payments.Payment) error { return s.publish(ctx) })
	saga.Register(s.Sagas, saga.Definition[state]{
		Steps:  []saga.Step[state]{{Name: "charge", Do: s.chargeStep}},
		Finish: func(ctx context.Context, id string, st *state) error { return s.Store.Words(ctx) },
	})
}

func (s *Service) chargeStep(ctx context.Context, id string, st *state) error { return s.charge(ctx, id) }
