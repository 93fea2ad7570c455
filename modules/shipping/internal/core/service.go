// Package core holds the rules of shipping: one shipment per order, and where
// it may go from where it stands.
package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Store keeps shipments. Every write is made inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error

	// Shipment and ByOrder tell whether there is one; LockShipment and
	// LockByOrder also keep others from changing it.
	Shipment(ctx context.Context, id string) (Shipment, bool, error)
	ByOrder(ctx context.Context, orderID string) (Shipment, bool, error)
	LockShipment(ctx context.Context, id string) (Shipment, bool, error)
	LockByOrder(ctx context.Context, orderID string) (Shipment, bool, error)
	// Add does nothing where the order has a shipment, and tells so.
	Add(ctx context.Context, s Shipment) (bool, error)
	Update(ctx context.Context, s Shipment) error
	// Page gives shipments in the order of their ids.
	Page(ctx context.Context, after string, limit int) ([]Shipment, error)
}

// Events is where changes are announced.
type Events interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Service implements the contract.
type Service struct {
	store  Store
	events Events
	rates  Rates
	now    clock.Clock
	newID  id.Source
}

var _ shipping.Service = (*Service)(nil)

// New makes the service.
func New(store Store, events Events, rates Rates, now clock.Clock, newID id.Source) *Service {
	return &Service{store: store, events: events, rates: rates, now: now, newID: newID}
}

// Rates implements shipping.Service.
func (s *Service) Rates(_ context.Context, req shipping.RatesRequest) (shipping.RatesReply, error) {
	if req.WeightGrams < 0 {
		return shipping.RatesReply{}, shipping.InvalidShipment.Errorf("weight_grams is %d; it cannot be negative", req.WeightGrams)
	}
	return shipping.RatesReply{Items: s.rates.For(req.Country, req.WeightGrams)}, nil
}

// Get implements shipping.Service.
func (s *Service) Get(ctx context.Context, req shipping.GetRequest) (shipping.Shipment, error) {
	found, ok, err := s.store.Shipment(ctx, req.ShipmentID)
	return visible(ctx, found, ok, err)
}

// ByOrder implements shipping.Service.
func (s *Service) ByOrder(ctx context.Context, req shipping.OrderRequest) (shipping.Shipment, error) {
	found, ok, err := s.store.ByOrder(ctx, req.OrderID)
	return visible(ctx, found, ok, err)
}

// visible hides what is not there, what only stands for an order cancelled too
// early, and what is somebody else's alike.
func visible(ctx context.Context, s Shipment, ok bool, err error) (shipping.Shipment, error) {
	if err != nil {
		return shipping.Shipment{}, fmt.Errorf("read shipment: %w", err)
	}
	if !ok || s.Version == 0 || !port.PrincipalFrom(ctx).MayActFor(s.UserID) {
		return shipping.Shipment{}, shipping.ShipmentNotFound.Errorf("no such shipment")
	}
	return s.Shipment, nil
}

func staffOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("only staff may do this")
	}
	return nil
}
