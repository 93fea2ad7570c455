// Package core holds the rules of inventory: what is there is never sold twice.
package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/inventory"
)

const (
	maxOnHand  = 1_000_000_000
	maxBatch   = 500
	maxSKU     = 200 // bytes
	maxPerLine = 1_000_000
)

// Stock is the row of one SKU with the version of its last published change.
type Stock struct {
	SKU      string
	OnHand   int64
	Reserved int64
	Version  int64
}

// Level is what others may know of it.
func (s Stock) Level() inventory.Level {
	return inventory.Level{SKU: s.SKU, OnHand: s.OnHand, Reserved: s.Reserved, Available: s.OnHand - s.Reserved}
}

// Kinds of movements.
const (
	Counted   = "counted"   // staff counted or an import set it
	Sold      = "sold"      // a reservation was committed
	Restocked = "restocked" // a committed reservation was released
)

// Movement is one change of what is on hand.
type Movement struct {
	SKU      string
	Kind     string
	Quantity int64 // added to on hand
	OrderID  string
}

// SetOnHand implements inventory.Service.
func (s *Service) SetOnHand(ctx context.Context, req inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return inventory.SetOnHandReply{}, fault.Forbidden.Errorf("only staff may set stock")
	}
	wanted, err := counts(req.Levels)
	if err != nil {
		return inventory.SetOnHandReply{}, err
	}
	var reply inventory.SetOnHandReply
	err = s.store.Atomic(ctx, func(ctx context.Context) error {
		changed, err := s.setOnHand(ctx, wanted, req.OnlyNew)
		reply.Changed = changed
		return err
	})
	return reply, err
}

// setOnHand writes what differs, or only what was never set. The rows are locked
// in the order of their SKUs.
func (s *Service) setOnHand(ctx context.Context, wanted []inventory.OnHand, onlyNew bool) (int, error) {
	was, err := s.lockAll(ctx, skusOf(wanted))
	if err != nil {
		return 0, err
	}
	refused := inventory.InvalidStock.Errorf("fewer on hand than are reserved for open orders; cancel orders or set a higher number")
	var changed []inventory.OnHand
	var moves []Movement
	for i, w := range wanted {
		old := was[w.SKU]
		if old.Version > 0 && (onlyNew || old.OnHand == w.OnHand) {
			continue
		}
		if w.OnHand < old.Reserved {
			refused.WithField(fmt.Sprintf("/levels/%d/on_hand", i), fmt.Sprintf("%d of %s are reserved", old.Reserved, w.SKU))
			continue
		}
		changed = append(changed, w)
		moves = append(moves, Movement{SKU: w.SKU, Kind: Counted, Quantity: w.OnHand - old.OnHand})
	}
	if len(refused.Fields) > 0 {
		return 0, refused
	}
	if len(changed) == 0 {
		return 0, nil
	}
	rows, err := s.store.PutOnHand(ctx, changed)
	if err != nil {
		return 0, fmt.Errorf("set stock: %w", err)
	}
	if err := s.store.Move(ctx, moves); err != nil {
		return 0, fmt.Errorf("record movements: %w", err)
	}
	return len(changed), s.publish(ctx, rows)
}

// lockAll locks the rows of all SKUs, also of those that nobody set before:
// without a row, two that set the same new SKU would both count from nothing.
func (s *Service) lockAll(ctx context.Context, skus []string) (map[string]Stock, error) {
	rows, err := s.store.LockStock(ctx, skus)
	if err == nil && len(rows) < len(skus) {
		if err = s.store.AddStock(ctx, skus); err == nil {
			rows, err = s.store.LockStock(ctx, skus)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	was := make(map[string]Stock, len(rows))
	for _, row := range rows {
		was[row.SKU] = row
	}
	return was, nil
}

// Levels implements inventory.Service.
func (s *Service) Levels(ctx context.Context, req inventory.LevelsRequest) (inventory.LevelsReply, error) {
	reply := inventory.LevelsReply{Items: []inventory.Level{}}
	if len(req.SKUs) > maxBatch {
		return reply, inventory.InvalidStock.Errorf("at most %d SKUs a call, not %d", maxBatch, len(req.SKUs))
	}
	rows, err := s.store.Stock(ctx, req.SKUs)
	if err != nil {
		return reply, fmt.Errorf("read stock: %w", err)
	}
	found := make(map[string]Stock, len(rows))
	for _, row := range rows {
		found[row.SKU] = row
	}
	for _, sku := range req.SKUs {
		if row, ok := found[sku]; ok {
			reply.Items = append(reply.Items, row.Level())
		}
	}
	return reply, nil
}

// counts checks the wanted levels and sorts them by SKU.
func counts(levels []inventory.OnHand) ([]inventory.OnHand, error) {
	if len(levels) > maxBatch {
		return nil, inventory.InvalidStock.Errorf("at most %d SKUs a call, not %d", maxBatch, len(levels))
	}
	bad := inventory.InvalidStock.Errorf("the stock to set is not valid")
	seen := map[string]bool{}
	for i, l := range levels {
		at := fmt.Sprintf("/levels/%d", i)
		if l.SKU == "" || len(l.SKU) > maxSKU {
			bad.WithField(at+"/sku", fmt.Sprintf("1 to %d bytes", maxSKU))
		}
		if seen[l.SKU] {
			bad.WithField(at+"/sku", "the same SKU twice")
		}
		seen[l.SKU] = true
		if l.OnHand < 0 || l.OnHand > maxOnHand {
			bad.WithField(at+"/on_hand", fmt.Sprintf("0 to %d", maxOnHand))
		}
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	sorted := slices.Clone(levels)
	slices.SortFunc(sorted, func(a, b inventory.OnHand) int { return strings.Compare(a.SKU, b.SKU) })
	return sorted, nil
}

func skusOf(levels []inventory.OnHand) []string {
	skus := make([]string, len(levels))
	for i, l := range levels {
		skus[i] = l.SKU
	}
	return skus
}
