package core

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
)

const (
	guestTTL   = 30 * 24 * time.Hour // after which an untouched guest cart is dropped
	purgeEvery = time.Hour
	purgeBatch = 500
)

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
		if err != nil || !ok {
			return err
		}
		own, err := s.Store.Open(ctx, user)
		if err != nil {
			return err
		}
		lines := merged(own.Lines, guest.Lines)
		reply.Lines = len(lines)
		if err := s.Store.PutLines(ctx, own.ID, lines); err != nil {
			return fmt.Errorf("move lines: %w", err)
		}
		return s.Store.Drop(ctx, guest.ID)
	})
	return reply, err
}

// merged gives the lines of own that change or are new when guest's come in.
// What does not fit is left out: the user's own lines come first.
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
			mine = Line{SKU: l.SKU, AddedAt: l.AddedAt}
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
	return cart.CheckOutReply{}, s.Store.Atomic(ctx, func(ctx context.Context) error {
		if isNew, err := s.Store.AddCheckout(ctx, req.OrderID); err != nil || !isNew {
			return err
		}
		c, ok, err := s.Store.Lock(ctx, owner)
		if err != nil || !ok {
			return err
		}
		return s.takeOut(ctx, c, req.Items)
	})
}

// takeOut lowers the lines by what was bought; what was added since stays.
func (s *Service) takeOut(ctx context.Context, c Cart, bought []cart.CartRef) error {
	left := map[string]Line{}
	for _, l := range c.Lines {
		left[l.SKU] = l
	}
	var gone []string
	var kept []Line
	for _, b := range bought {
		l, there := left[b.SKU]
		if !there {
			continue
		}
		if l.Quantity -= b.Quantity; l.Quantity > 0 {
			kept = append(kept, l)
		} else {
			gone = append(gone, b.SKU)
		}
	}
	if err := s.Store.RemoveLines(ctx, c.ID, gone); err != nil {
		return fmt.Errorf("take out what was bought: %w", err)
	}
	return s.Store.PutLines(ctx, c.ID, kept)
}

// Purge drops guests' carts that nobody has touched for a month, until ctx ends.
func (s *Service) Purge(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		for {
			n, err := s.PurgeOnce(ctx)
			if err != nil || n < purgeBatch {
				break // what failed is tried again in an hour
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// PurgeOnce drops one batch and tells how many carts that were.
func (s *Service) PurgeOnce(ctx context.Context) (n int64, err error) {
	err = s.Store.Atomic(ctx, func(ctx context.Context) (err error) {
		n, err = s.Store.DropIdle(ctx, s.Now().Add(-guestTTL), purgeBatch)
		return err
	})
	return n, err
}
