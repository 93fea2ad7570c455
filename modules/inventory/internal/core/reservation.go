package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/inventory"
)

const maxLines = 100

// ErrReserved says that an order has a reservation, whatever became of it.
var ErrReserved = errors.New("the order has a reservation already")

// Adjustment is what one SKU's row gains or loses.
type Adjustment struct {
	SKU      string
	OnHand   int64
	Reserved int64
}

// Hold implements inventory.Service.
func (s *Service) Hold(ctx context.Context, req inventory.HoldRequest) (inventory.Reservation, error) {
	if err := s.shopOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	lines, err := holdLines(req)
	if err != nil {
		return inventory.Reservation{}, err
	}
	r := inventory.Reservation{OrderID: req.OrderID, Status: inventory.Held, Lines: lines, ExpiresAt: s.now().Add(s.ttl)}
	err = s.store.AtomicFirst(ctx, r, func(ctx context.Context) error { return s.reserve(ctx, lines) })
	if errors.Is(err, ErrReserved) {
		return s.firstHold(ctx, req.OrderID)
	}
	return r, err
}

// firstHold answers a repeated Hold with what the first one led to.
func (s *Service) firstHold(ctx context.Context, orderID string) (inventory.Reservation, error) {
	r, ok, err := s.store.Reservation(ctx, orderID)
	if err != nil {
		return r, fmt.Errorf("read reservation: %w", err)
	}
	if !ok {
		return r, fault.Internal.Errorf("the reservation of order %s is gone", orderID)
	}
	if r.Status == inventory.Released || r.Status == inventory.Expired {
		return r, inventory.ReservationExpired.Errorf("the reservation of order %s is %s", orderID, r.Status)
	}
	return r, nil
}

// reserve takes every line or fails; failing rolls the whole hold back.
func (s *Service) reserve(ctx context.Context, lines []inventory.Line) error {
	changes := make([]Adjustment, len(lines))
	for i, l := range lines {
		changes[i] = Adjustment{SKU: l.SKU, Reserved: l.Quantity}
	}
	rows, err := s.store.Adjust(ctx, changes)
	if err != nil {
		return fmt.Errorf("reserve stock: %w", err)
	}
	if len(rows) < len(lines) {
		return s.refusal(ctx, lines, rows)
	}
	return s.publish(ctx, rows)
}

// refusal tells which lines could not be reserved, and why.
func (s *Service) refusal(ctx context.Context, lines []inventory.Line, reserved []Stock) error {
	done := map[string]bool{}
	for _, row := range reserved {
		done[row.SKU] = true
	}
	rows, err := s.store.Stock(ctx, lineSKUs(lines))
	if err != nil {
		return fmt.Errorf("read stock: %w", err)
	}
	left := map[string]int64{}
	for _, row := range rows {
		left[row.SKU] = row.OnHand - row.Reserved
	}
	for _, l := range lines {
		if _, known := left[l.SKU]; !known {
			return inventory.UnknownSKU.Errorf("no stock was ever set for %s", l.SKU)
		}
	}
	short := inventory.InsufficientStock.Errorf("not enough in stock")
	for _, l := range lines {
		if !done[l.SKU] {
			short.Message = fmt.Sprintf("%d of %s were asked for, %d are available", l.Quantity, l.SKU, left[l.SKU])
			short.WithDetail(l.SKU, fmt.Sprint(left[l.SKU]))
		}
	}
	return short
}

// Commit implements inventory.Service.
func (s *Service) Commit(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := s.shopOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	var r inventory.Reservation
	err := s.store.Atomic(ctx, func(ctx context.Context) error {
		was, turned, err := s.store.Turn(ctx, req.OrderID, inventory.Committed, inventory.Held)
		if err != nil {
			return fmt.Errorf("commit reservation: %w", err)
		}
		if r = was; !turned {
			return commitRefusal(req.OrderID, was)
		}
		r.Status = inventory.Committed
		return s.apply(ctx, r, Sold, -1, -1)
	})
	return r, err
}

func commitRefusal(orderID string, was inventory.Reservation) error {
	switch was.Status {
	case inventory.Committed:
		return nil
	case "":
		return inventory.ReservationUnknown.Errorf("order %s holds nothing", orderID)
	}
	return inventory.ReservationExpired.Errorf("the reservation of order %s is %s", orderID, was.Status)
}

// Release implements inventory.Service.
func (s *Service) Release(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := s.shopOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	if req.OrderID == "" {
		return inventory.Reservation{}, inventory.InvalidStock.Errorf("order_id is missing").WithField("/order_id", "missing")
	}
	var r inventory.Reservation
	err := s.store.Atomic(ctx, func(ctx context.Context) (err error) {
		r, err = s.release(ctx, req.OrderID)
		return err
	})
	return r, err
}

// release gives back what an order holds or bought, in the transaction of ctx.
func (s *Service) release(ctx context.Context, orderID string) (inventory.Reservation, error) {
	now := s.now()
	never := inventory.Reservation{OrderID: orderID, Status: inventory.Released, Lines: []inventory.Line{}, ExpiresAt: now}
	if isNew, err := s.store.AddReservation(ctx, never); err != nil || isNew {
		return never, err
	}
	was, turned, err := s.store.Turn(ctx, orderID, inventory.Released, inventory.Held, inventory.Committed)
	if err != nil || !turned {
		return was, err
	}
	r := was
	r.Status = inventory.Released
	if was.Status == inventory.Committed {
		return r, s.apply(ctx, r, Restocked, +1, 0)
	}
	return r, s.apply(ctx, r, "", 0, -1)
}

// Get implements inventory.Service.
func (s *Service) Get(ctx context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	if err := s.shopOnly(ctx); err != nil {
		return inventory.Reservation{}, err
	}
	r, ok, err := s.store.Reservation(ctx, req.OrderID)
	if err == nil && !ok {
		err = inventory.ReservationUnknown.Errorf("order %s holds nothing", req.OrderID)
	}
	return r, err
}

// apply moves stock by the lines of a reservation: onHand and reserved say in
// which direction (−1, 0, +1); kind names the movement where on hand changes.
func (s *Service) apply(ctx context.Context, r inventory.Reservation, kind string, onHand, reserved int64) error {
	if len(r.Lines) == 0 {
		return nil
	}
	changes := make([]Adjustment, len(r.Lines))
	var moves []Movement
	for i, l := range r.Lines {
		changes[i] = Adjustment{SKU: l.SKU, OnHand: onHand * l.Quantity, Reserved: reserved * l.Quantity}
		if onHand != 0 {
			moves = append(moves, Movement{SKU: l.SKU, Kind: kind, Quantity: onHand * l.Quantity, OrderID: r.OrderID})
		}
	}
	rows, err := s.store.Adjust(ctx, changes)
	if err != nil {
		return fmt.Errorf("adjust stock: %w", err)
	}
	if len(rows) != len(changes) {
		return fault.Internal.Errorf("stock of order %s does not match its reservation; run the audit", r.OrderID)
	}
	if err := s.store.Move(ctx, moves); err != nil {
		return fmt.Errorf("record movements: %w", err)
	}
	return s.publish(ctx, rows)
}

// shopOnly keeps reservations to the shop itself and its staff.
func (s *Service) shopOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("reservations are made by the shop, not by customers")
	}
	return nil
}

// holdLines checks a request, adds up lines of one SKU, and sorts by SKU.
func holdLines(req inventory.HoldRequest) ([]inventory.Line, error) {
	bad := inventory.InvalidStock.Errorf("the lines to hold are not valid")
	if req.OrderID == "" {
		bad.WithField("/order_id", "missing")
	}
	if len(req.Lines) == 0 || len(req.Lines) > maxLines {
		bad.WithField("/lines", fmt.Sprintf("1 to %d lines", maxLines))
	}
	sum := map[string]int64{}
	for i, l := range req.Lines {
		if l.SKU == "" || l.Quantity < 1 || l.Quantity > maxPerLine {
			bad.WithField(fmt.Sprintf("/lines/%d", i), fmt.Sprintf("a SKU and 1 to %d of it", maxPerLine))
		}
		sum[l.SKU] += l.Quantity
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	lines := make([]inventory.Line, 0, len(sum))
	for sku, n := range sum {
		lines = append(lines, inventory.Line{SKU: sku, Quantity: n})
	}
	slices.SortFunc(lines, func(a, b inventory.Line) int { return strings.Compare(a.SKU, b.SKU) })
	return lines, nil
}

func lineSKUs(lines []inventory.Line) []string {
	skus := make([]string, len(lines))
	for i, l := range lines {
		skus[i] = l.SKU
	}
	return skus
}
