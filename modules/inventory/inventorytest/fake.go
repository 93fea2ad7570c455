// Package inventorytest has what neighbours of inventory use in their tests: a
// Fake, and the conformance suite that every implementation passes.
package inventorytest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Fake is inventory in memory. Safe for concurrent use. Holds expire by Expire only.
type Fake struct {
	Now clock.Clock

	mu           sync.Mutex
	levels       map[string]inventory.Level
	reservations map[string]inventory.Reservation
}

var _ inventory.Service = (*Fake)(nil)

func staffOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("only staff and the shop itself may do this")
	}
	return nil
}

// NewFake makes an empty inventory.
func NewFake() *Fake {
	return &Fake{Now: clock.System, levels: map[string]inventory.Level{}, reservations: map[string]inventory.Reservation{}}
}

// SetOnHand implements inventory.Service.
func (f *Fake) SetOnHand(ctx context.Context, req inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	if err := staffOnly(ctx); err != nil {
		return inventory.SetOnHandReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := func(sku string) bool { _, known := f.levels[sku]; return known && req.OnlyNew }
	for _, l := range req.Levels {
		if l.OnHand < 0 || l.OnHand < f.levels[l.SKU].Reserved && !kept(l.SKU) {
			return inventory.SetOnHandReply{}, inventory.InvalidStock.Errorf("fewer than are reserved")
		}
	}
	var reply inventory.SetOnHandReply
	for _, l := range req.Levels {
		if kept(l.SKU) {
			continue
		}
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
func (f *Fake) Hold(ctx context.Context, req inventory.HoldRequest) (inventory.Reservation, error) {
	if err := staffOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.reservations[req.OrderID]; ok {
		if r.Status == inventory.Released || r.Status == inventory.Expired {
			return r, inventory.ReservationExpired.Errorf("it is %s", r.Status)
		}
		return r, nil
	}
	lines, err := f.lines(req)
	if err != nil {
		return inventory.Reservation{}, err
	}
	r := inventory.Reservation{OrderID: req.OrderID, Status: inventory.Held, Lines: lines, ExpiresAt: f.Now().Add(inventory.HoldTTL)}
	f.turn(&r, inventory.Held, 0, +1)
	return r, nil
}

// lines adds up the lines of each SKU, in the order of the SKUs, and checks
// that all are there; the caller holds the lock.
func (f *Fake) lines(req inventory.HoldRequest) ([]inventory.Line, error) {
	if req.OrderID == "" || len(req.Lines) == 0 {
		return nil, inventory.InvalidStock.Errorf("an order and its lines are needed")
	}
	sum := map[string]int64{}
	for _, l := range req.Lines {
		if l.Quantity < 1 || l.SKU == "" {
			return nil, inventory.InvalidStock.Errorf("a SKU and at least 1 of it")
		}
		sum[l.SKU] += l.Quantity
	}
	var lines []inventory.Line
	short := false
	for _, sku := range slices.Sorted(maps.Keys(sum)) {
		level, ok := f.levels[sku]
		if !ok {
			return nil, inventory.UnknownSKU.Errorf("%s", sku)
		}
		short = short || level.Available < sum[sku]
		lines = append(lines, inventory.Line{SKU: sku, Quantity: sum[sku]})
	}
	if short {
		return nil, inventory.InsufficientStock.Errorf("not enough in stock")
	}
	return lines, nil
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
func (f *Fake) Commit(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := staffOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
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
func (f *Fake) Release(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := staffOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.OrderID == "" {
		return inventory.Reservation{}, inventory.InvalidStock.Errorf("order_id is missing")
	}
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
func (f *Fake) Get(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := staffOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.reservations[req.OrderID]
	if !ok {
		return r, inventory.ReservationUnknown.Errorf("order %s holds nothing", req.OrderID)
	}
	return r, nil
}

// Expire gives back the holds that are overdue by now.
func (f *Fake) Expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.Now()
	for _, r := range f.reservations {
		if r.Status == inventory.Held && !r.ExpiresAt.After(now) {
			f.turn(&r, inventory.Expired, 0, -1)
		}
	}
}
