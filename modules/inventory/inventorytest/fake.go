// Package inventorytest has what neighbours of inventory use in their tests: a
// Fake, and the conformance suite that every implementation passes.
package inventorytest

import (
	"context"
	"sync"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Fake is inventory in memory. Safe for concurrent use. Holds never expire.
type Fake struct {
	Now clock.Clock

	mu           sync.Mutex
	levels       map[string]inventory.Level
	reservations map[string]inventory.Reservation
}

var _ inventory.Service = (*Fake)(nil)

// NewFake makes an empty inventory.
func NewFake() *Fake {
	return &Fake{Now: clock.System, levels: map[string]inventory.Level{}, reservations: map[string]inventory.Reservation{}}
}

// SetOnHand implements inventory.Service.
func (f *Fake) SetOnHand(_ context.Context, req inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range req.Levels {
		if l.OnHand < f.levels[l.SKU].Reserved || l.OnHand < 0 {
			return inventory.SetOnHandReply{}, inventory.InvalidStock.Errorf("fewer than are reserved")
		}
	}
	var reply inventory.SetOnHandReply
	for _, l := range req.Levels {
		if old, known := f.levels[l.SKU]; !known || old.OnHand != l.OnHand {
			reply.Changed++
			f.put(l.SKU, l.OnHand, old.Reserved)
		}
	}
	return reply, nil
}

func (f *Fake) put(sku string, onHand, reserved int64) {
	f.levels[sku] = inventory.Level{SKU: sku, OnHand: onHand, Reserved: reserved, Available: onHand - reserved}
}

// Levels implements inventory.Service.
func (f *Fake) Levels(_ context.Context, req inventory.LevelsRequest) (inventory.LevelsReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := inventory.LevelsReply{Items: []inventory.Level{}}
	for _, sku := range req.SKUs {
		if l, ok := f.levels[sku]; ok {
			reply.Items = append(reply.Items, l)
		}
	}
	return reply, nil
}

// Hold implements inventory.Service.
func (f *Fake) Hold(_ context.Context, req inventory.HoldRequest) (inventory.Reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.reservations[req.OrderID]; ok {
		if r.Status == inventory.Released || r.Status == inventory.Expired {
			return r, inventory.ReservationExpired.Errorf("it is %s", r.Status)
		}
		return r, nil
	}
	if req.OrderID == "" || len(req.Lines) == 0 {
		return inventory.Reservation{}, inventory.InvalidStock.Errorf("an order and its lines are needed")
	}
	for _, l := range req.Lines {
		level, ok := f.levels[l.SKU]
		switch {
		case l.Quantity < 1:
			return inventory.Reservation{}, inventory.InvalidStock.Errorf("at least 1")
		case !ok:
			return inventory.Reservation{}, inventory.UnknownSKU.Errorf("%s", l.SKU)
		case level.Available < l.Quantity:
			return inventory.Reservation{}, inventory.InsufficientStock.Errorf("%s", l.SKU)
		}
	}
	r := inventory.Reservation{OrderID: req.OrderID, Status: inventory.Held, Lines: req.Lines, ExpiresAt: f.Now().Add(inventory.HoldTTL)}
	f.turn(&r, inventory.Held, 0, +1)
	return r, nil
}

// turn gives r a status and moves its lines; the caller holds the lock.
func (f *Fake) turn(r *inventory.Reservation, status string, onHand, reserved int64) {
	r.Status = status
	for _, l := range r.Lines {
		old := f.levels[l.SKU]
		f.put(l.SKU, old.OnHand+onHand*l.Quantity, old.Reserved+reserved*l.Quantity)
	}
	f.reservations[r.OrderID] = *r
}

// Commit implements inventory.Service.
func (f *Fake) Commit(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.reservations[req.OrderID]
	switch {
	case !ok:
		return r, inventory.ReservationUnknown.Errorf("order %s holds nothing", req.OrderID)
	case r.Status == inventory.Held:
		f.turn(&r, inventory.Committed, -1, -1)
	case r.Status != inventory.Committed:
		return r, inventory.ReservationExpired.Errorf("it is %s", r.Status)
	}
	return r, nil
}

// Release implements inventory.Service.
func (f *Fake) Release(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.reservations[req.OrderID]
	switch {
	case !ok:
		r = inventory.Reservation{OrderID: req.OrderID, Lines: []inventory.Line{}, ExpiresAt: f.Now()}
		f.turn(&r, inventory.Released, 0, 0)
	case r.Status == inventory.Held:
		f.turn(&r, inventory.Released, 0, -1)
	case r.Status == inventory.Committed:
		f.turn(&r, inventory.Released, +1, 0)
	}
	return r, nil
}

// Get implements inventory.Service.
func (f *Fake) Get(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.reservations[req.OrderID]
	if !ok {
		return r, inventory.ReservationUnknown.Errorf("order %s holds nothing", req.OrderID)
	}
	return r, nil
}
