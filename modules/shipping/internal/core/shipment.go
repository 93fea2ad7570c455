package core

import (
	"context"
	"fmt"
	"strings"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
)

const maxText = 200 // bytes of a carrier's name or a tracking number

// Shipment is the shipment of one order with the version of its last event.
type Shipment struct {
	shipping.Shipment
	Version int64
}

// changed says where the shipment now stands, for its events.
func (s Shipment) changed() shipping.ShipmentChanged {
	return shipping.ShipmentChanged{
		ShipmentID: s.ID, OrderID: s.OrderID, UserID: s.UserID, Carrier: s.Carrier, TrackingNumber: s.TrackingNumber,
	}
}

// OnOrderConfirmed makes the shipment of an order. Where the order was cancelled
// before, the cancelled shipment that stands for it is in the way.
func (s *Service) OnOrderConfirmed(ctx context.Context, _ event.Meta, e orders.OrderConfirmed) error {
	made := Shipment{Version: 1, Shipment: shipping.Shipment{
		ID: s.newID(), OrderID: e.OrderID, UserID: e.UserID, Status: shipping.Pending, Method: e.ShippingMethod,
		Address: shipping.Address(e.Address), CreatedAt: s.now(),
	}}
	isNew, err := s.store.Add(ctx, made)
	if err != nil || !isNew {
		return err
	}
	return s.events.Publish(ctx, shipping.ShipmentCreated.New(made.ID, made.Version, made.changed()))
}

// OnOrderCancelled stops the shipment of an order that was cancelled; usually
// it was stopped before, because cancelling asks shipping first.
func (s *Service) OnOrderCancelled(ctx context.Context, _ event.Meta, e orders.OrderEnded) error {
	_, err := s.cancel(ctx, e.OrderID)
	return err
}

// Dispatch implements shipping.Service.
func (s *Service) Dispatch(ctx context.Context, req shipping.DispatchRequest) (shipping.Shipment, error) {
	if err := checkDispatch(req); err != nil {
		return shipping.Shipment{}, err
	}
	return s.change(ctx, req.ShipmentID, func(sh *Shipment) (*event.Type[shipping.ShipmentChanged], error) {
		switch {
		case sh.Status == shipping.Dispatched && sh.Carrier == req.Carrier && sh.TrackingNumber == req.TrackingNumber:
			return nil, nil
		case sh.Status != shipping.Pending:
			return nil, shipping.InvalidTransition.Errorf("the shipment is %s; only a pending one can be dispatched", sh.Status)
		}
		now := s.now()
		sh.Status, sh.Carrier, sh.TrackingNumber, sh.DispatchedAt = shipping.Dispatched, req.Carrier, req.TrackingNumber, &now
		return shipping.ShipmentDispatched, nil
	})
}

// Deliver implements shipping.Service.
func (s *Service) Deliver(ctx context.Context, req shipping.DeliverRequest) (shipping.Shipment, error) {
	return s.change(ctx, req.ShipmentID, func(sh *Shipment) (*event.Type[shipping.ShipmentChanged], error) {
		switch sh.Status {
		case shipping.Delivered:
			return nil, nil
		case shipping.Dispatched:
			now := s.now()
			sh.Status, sh.DeliveredAt = shipping.Delivered, &now
			return shipping.ShipmentDelivered, nil
		}
		return nil, shipping.InvalidTransition.Errorf("the shipment is %s; only a dispatched one can be delivered", sh.Status)
	})
}

// CancelForOrder implements shipping.Service.
func (s *Service) CancelForOrder(ctx context.Context, req shipping.OrderRequest) (shipping.CancelReply, error) {
	if err := staffOnly(ctx); err != nil {
		return shipping.CancelReply{}, err
	}
	if req.OrderID == "" {
		return shipping.CancelReply{}, shipping.InvalidShipment.Errorf("order_id is missing").WithField("/order_id", "missing")
	}
	var reply shipping.CancelReply
	err := s.store.Atomic(ctx, func(ctx context.Context) (err error) {
		reply.Cancelled, err = s.cancel(ctx, req.OrderID)
		return err
	})
	return reply, err
}

// cancel stops an order's shipment in the transaction of ctx, and tells whether
// there was one. Where there is none yet, a cancelled one without events takes
// its place, so that a confirmation that is still on its way makes none.
func (s *Service) cancel(ctx context.Context, orderID string) (bool, error) {
	never := Shipment{Shipment: shipping.Shipment{ID: s.newID(), OrderID: orderID, Status: shipping.Cancelled, CreatedAt: s.now()}}
	if isNew, err := s.store.Add(ctx, never); err != nil || isNew {
		return false, err
	}
	sh, ok, err := s.store.LockByOrder(ctx, orderID)
	switch {
	case err != nil || !ok:
		return false, fmt.Errorf("read shipment of order %s: %w", orderID, err)
	case sh.Status == shipping.Cancelled:
		return sh.Version > 0, nil
	case sh.Status != shipping.Pending:
		return false, shipping.AlreadyDispatched.Errorf("the shipment is %s", sh.Status)
	}
	sh.Status = shipping.Cancelled
	return true, s.save(ctx, sh, shipping.ShipmentCancelled)
}

// change applies one transition under the shipment's lock. A transition that
// gives no event changed nothing.
func (s *Service) change(ctx context.Context, shipmentID string, apply func(*Shipment) (*event.Type[shipping.ShipmentChanged], error)) (shipping.Shipment, error) {
	if err := staffOnly(ctx); err != nil {
		return shipping.Shipment{}, err
	}
	var out shipping.Shipment
	err := s.store.Atomic(ctx, func(ctx context.Context) error {
		sh, ok, err := s.store.LockShipment(ctx, shipmentID)
		if err != nil {
			return fmt.Errorf("read shipment: %w", err)
		}
		if !ok || sh.Version == 0 {
			return shipping.ShipmentNotFound.Errorf("no such shipment")
		}
		happened, err := apply(&sh)
		if err != nil || happened == nil {
			out = sh.Shipment
			return err
		}
		out = sh.Shipment
		return s.save(ctx, sh, happened)
	})
	return out, err
}

func (s *Service) save(ctx context.Context, sh Shipment, happened *event.Type[shipping.ShipmentChanged]) error {
	sh.Version++
	if err := s.store.Update(ctx, sh); err != nil {
		return fmt.Errorf("update shipment: %w", err)
	}
	return s.events.Publish(ctx, happened.New(sh.ID, sh.Version, sh.changed()))
}

func checkDispatch(req shipping.DispatchRequest) error {
	bad := shipping.InvalidShipment.Errorf("who carries it is not valid")
	for pointer, value := range map[string]string{"/carrier": req.Carrier, "/tracking_number": req.TrackingNumber} {
		if strings.TrimSpace(value) == "" || len(value) > maxText {
			bad.WithField(pointer, fmt.Sprintf("1 to %d bytes", maxText))
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}
