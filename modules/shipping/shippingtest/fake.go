// Package shippingtest has what neighbours of shipping use in their tests: a
// Fake, and the conformance suite that every implementation passes.
package shippingtest

import (
	"context"
	"strings"
	"sync"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// What the Fake charges anywhere it sends, in minor units: a base, and a step
// for each kilogram begun after the first.
const (
	StandardPrice = 500
	ExpressPrice  = 1500
	PerKilogram   = 100
)

// Fake is shipping in memory, which sends parcels up to a tonne to US, CA and DE.
// Safe for concurrent use. It publishes nothing.
type Fake struct {
	Now      clock.Clock
	Currency string

	mu      sync.Mutex
	byOrder map[string]*shipping.Shipment // one without an id stands for an order cancelled too early
}

var _ shipping.Service = (*Fake)(nil)

// NewFake makes shipping without shipments, in USD.
func NewFake() *Fake {
	return &Fake{Now: clock.System, Currency: "USD", byOrder: map[string]*shipping.Shipment{}}
}

// Hear applies events of orders, like the module's consumer.
func (f *Fake) Hear(events ...event.Event) {
	for _, e := range events {
		switch data := e.Payload().(type) {
		case orders.OrderConfirmed:
			f.confirm(data)
		case orders.OrderEnded:
			if e.Type == orders.WasCancelled.Name() {
				_, _ = f.CancelForOrder(Shop(), shipping.OrderRequest{OrderID: data.OrderID})
			}
		}
	}
}

func (f *Fake) confirm(e orders.OrderConfirmed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byOrder[e.OrderID] == nil {
		f.byOrder[e.OrderID] = &shipping.Shipment{
			ID: id.V7(), OrderID: e.OrderID, UserID: e.UserID, Status: shipping.Pending, Method: e.ShippingMethod,
			Address: shipping.Address(e.Address), CreatedAt: f.Now(),
		}
	}
}

// Rates implements shipping.Service.
func (f *Fake) Rates(_ context.Context, req shipping.RatesRequest) (shipping.RatesReply, error) {
	if req.WeightGrams < 0 {
		return shipping.RatesReply{}, shipping.InvalidShipment.Errorf("a negative weight")
	}
	reply := shipping.RatesReply{Items: []shipping.Rate{}}
	switch strings.ToUpper(req.Country) {
	case "US", "CA", "DE":
		if req.WeightGrams > 1_000_000 {
			return reply, nil
		}
		further := max(0, (req.WeightGrams-1)/1000) * PerKilogram
		reply.Items = append(reply.Items,
			shipping.Rate{Method: shipping.Standard, Carrier: "Fake Post", Price: money.Of(StandardPrice+further, f.Currency), MinDays: 3, MaxDays: 5},
			shipping.Rate{Method: shipping.Express, Carrier: "Fake Air", Price: money.Of(ExpressPrice+further, f.Currency), MinDays: 1, MaxDays: 2})
	}
	return reply, nil
}

func (f *Fake) find(shipmentID string) (*shipping.Shipment, error) {
	for _, s := range f.byOrder {
		if s.ID == shipmentID && s.ID != "" {
			return s, nil
		}
	}
	return nil, shipping.ShipmentNotFound.Errorf("no such shipment")
}

func visible(ctx context.Context, s *shipping.Shipment, err error) (shipping.Shipment, error) {
	if err != nil || s == nil || s.ID == "" || !port.PrincipalFrom(ctx).MayActFor(s.UserID) {
		return shipping.Shipment{}, shipping.ShipmentNotFound.Errorf("no such shipment")
	}
	return *s, nil
}

// Get implements shipping.Service.
func (f *Fake) Get(ctx context.Context, req shipping.GetRequest) (shipping.Shipment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.find(req.ShipmentID)
	return visible(ctx, s, err)
}

// ByOrder implements shipping.Service.
func (f *Fake) ByOrder(ctx context.Context, req shipping.OrderRequest) (shipping.Shipment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return visible(ctx, f.byOrder[req.OrderID], nil)
}

func (f *Fake) change(ctx context.Context, shipmentID string, apply func(s *shipping.Shipment) error) (shipping.Shipment, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return shipping.Shipment{}, fault.Forbidden.Errorf("only staff may do this")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.find(shipmentID)
	if err != nil {
		return shipping.Shipment{}, err
	}
	if err := apply(s); err != nil {
		return shipping.Shipment{}, err
	}
	return *s, nil
}

// Dispatch implements shipping.Service.
func (f *Fake) Dispatch(ctx context.Context, req shipping.DispatchRequest) (shipping.Shipment, error) {
	if strings.TrimSpace(req.Carrier) == "" || strings.TrimSpace(req.TrackingNumber) == "" || len(req.Carrier+req.TrackingNumber) > 200 {
		return shipping.Shipment{}, shipping.InvalidShipment.Errorf("carrier and tracking number are needed")
	}
	return f.change(ctx, req.ShipmentID, func(s *shipping.Shipment) error {
		switch {
		case s.Status == shipping.Dispatched && s.Carrier == req.Carrier && s.TrackingNumber == req.TrackingNumber:
			return nil
		case s.Status != shipping.Pending:
			return shipping.InvalidTransition.Errorf("it is %s", s.Status)
		}
		now := f.Now()
		s.Status, s.Carrier, s.TrackingNumber, s.DispatchedAt = shipping.Dispatched, req.Carrier, req.TrackingNumber, &now
		return nil
	})
}

// Deliver implements shipping.Service.
func (f *Fake) Deliver(ctx context.Context, req shipping.DeliverRequest) (shipping.Shipment, error) {
	return f.change(ctx, req.ShipmentID, func(s *shipping.Shipment) error {
		switch s.Status {
		case shipping.Delivered:
			return nil
		case shipping.Dispatched:
			now := f.Now()
			s.Status, s.DeliveredAt = shipping.Delivered, &now
			return nil
		}
		return shipping.InvalidTransition.Errorf("it is %s", s.Status)
	})
}

// CancelForOrder implements shipping.Service.
func (f *Fake) CancelForOrder(ctx context.Context, req shipping.OrderRequest) (shipping.CancelReply, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return shipping.CancelReply{}, fault.Forbidden.Errorf("only the shop itself may do this")
	}
	if req.OrderID == "" {
		return shipping.CancelReply{}, shipping.InvalidShipment.Errorf("order_id is missing")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.byOrder[req.OrderID]
	if s == nil {
		s = &shipping.Shipment{OrderID: req.OrderID, Status: shipping.Cancelled}
		f.byOrder[req.OrderID] = s
	}
	switch s.Status {
	case shipping.Dispatched, shipping.Delivered:
		return shipping.CancelReply{}, shipping.AlreadyDispatched.Errorf("it is %s", s.Status)
	}
	s.Status = shipping.Cancelled
	return shipping.CancelReply{Cancelled: s.ID != ""}, nil
}
