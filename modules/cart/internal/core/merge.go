package core

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
)

// guestTTL is when an untouched guest cart is dropped.
const guestTTL = 30 * 24 * time.Hour

// Merge implements cart.Service.
func (s *Service) Merge(ctx context.Context, req cart.MergeRequest) (cart.MergeReply, error) {
	user, err := ownerOf(ctx, cart.Owner{UserID: req.UserID})
	if err != nil || req.GuestToken == "" {
		return cart.MergeReply{}, err
	}
	var reply cart.MergeReply
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		reply = cart.MergeReply{}
		guest, ok, err := s.Store.Lock(ctx, Owner{TokenHash: hash(req.GuestToken)})
		if err != nil {
			return err
		}
		if !ok { // never there, or merged before
			reply.Lines, err = s.Store.Merged(ctx, hash(req.GuestToken), req.UserID)
			return err
		}
		own, err := s.Store.Open(ctx, user)
		if err != nil {
			return err
		}
		lines := merged(own.Lines, guest.Lines)
		reply.Lines = len(lines)
		if err := s.Store.PutLines(ctx, own.ID, lines, s.Now()); err != nil {
			return fmt.Errorf("move lines: %w", err)
		}
		if err := s.Store.AddMerge(ctx, hash(req.GuestToken), req.UserID, len(lines)); err != nil {
			return fmt.Errorf("remember the merge: %w", err)
		}
		return s.Store.Drop(ctx, guest.ID)
	})
	return reply, err
}

// merged gives the lines of own that change or are new when guest's come in.
// What does not fit is left out: the user's own lines come first. A line that is in
// both keeps its revision: an order that is about to take it out takes what it
// bought, and what came in stays.
func merged(own, guest []Line) []Line {
	have := map[string]Line{}
	for _, l := range own {
		have[l.SKU] = l
	}
	var lines []Line
	for _, l := range guest {
		mine, known := have[l.SKU]
		if !known {
			if len(have) >= cart.MaxLines {
				continue
			}
			mine = Line{SKU: l.SKU, AddedAt: l.AddedAt, Revision: l.Revision}
		}
		mine.Quantity = min(mine.Quantity+l.Quantity, cart.MaxQuantity)
		have[l.SKU] = mine
		lines = append(lines, mine)
	}
	return lines
}

// CheckOut implements cart.Service.
func (s *Service) CheckOut(ctx context.Context, req cart.CheckOutRequest) (cart.CheckOutReply, error) {
	owner, err := ownerOf(ctx, cart.Owner{UserID: req.UserID})
	if err != nil {
		return cart.CheckOutReply{}, err
	}
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return cart.CheckOutReply{}, fault.Forbidden.Errorf("a cart is emptied by its order, not by its owner")
	}
	if req.OrderID == "" {
		return cart.CheckOutReply{}, fault.Invalid.Errorf("order_id is missing").WithField("/order_id", "missing")
	}
	return cart.CheckOutReply{}, s.Store.Atomic(ctx, func(ctx context.Context) error {
		return s.checkOut(ctx, owner, req.OrderID, req.Items)
	})
}

// OnOrderConfirmed takes what an order bought out of its owner's cart. An order of
// before carts listened says nothing of its basket: it calls CheckOut.
func (s *Service) OnOrderConfirmed(ctx context.Context, _ event.Meta, e orders.OrderConfirmed) error {
	if len(e.Basket) == 0 {
		return nil
	}
	bought := make([]cart.CartRef, len(e.Basket))
	for i, t := range e.Basket {
		bought[i] = cart.CartRef(t)
	}
	return s.checkOut(ctx, Owner{UserID: e.UserID}, e.OrderID, bought)
}

// checkOut is done once per order, in the transaction of ctx.
func (s *Service) checkOut(ctx context.Context, owner Owner, orderID string, bought []cart.CartRef) error {
	if isNew, err := s.Store.AddCheckout(ctx, orderID); err != nil || !isNew {
		return err
	}
	c, ok, err := s.Store.Lock(ctx, owner)
	if err != nil || !ok {
		return err
	}
	return s.takeOut(ctx, c, bought)
}

// takeOut lowers the lines by what was bought; what was added since stays. What is
// left of a line has another revision: no order bought that yet.
func (s *Service) takeOut(ctx context.Context, c Cart, bought []cart.CartRef) error {
	taken, seen := map[string]int{}, map[string]int64{}
	for _, b := range bought {
		taken[b.SKU] += max(b.Quantity, 0)
		seen[b.SKU] = max(seen[b.SKU], b.Revision)
	}
	var gone []string
	var kept []Line
	for _, l := range c.Lines {
		n, revision := taken[l.SKU], seen[l.SKU]
		switch {
		case n == 0 || revision > 0 && l.Revision != revision: // not bought, or set again since
		case n < l.Quantity:
			l.Quantity -= n
			l.Revision++
			kept = append(kept, l)
		default:
			gone = append(gone, l.SKU)
		}
	}
	if err := s.Store.RemoveLines(ctx, c.ID, gone, s.Now()); err != nil {
		return fmt.Errorf("take out what was bought: %w", err)
	}
	return s.Store.PutLines(ctx, c.ID, kept, s.Now())
}

// Purge drops guests' carts that nobody has touched for a month, and forgets
// check-outs and merges as old. Any number of instances may call it.
func (s *Service) Purge(ctx context.Context) error {
	if err := s.Store.Forget(ctx, s.Now().Add(-guestTTL)); err != nil {
		return fmt.Errorf("drop idle carts: %w", err)
	}
	return nil
}
