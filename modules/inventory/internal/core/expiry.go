package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
)

const (
	sweepEvery = 5 * time.Second
	sweepBatch = 100
)

// Sweep gives back holds that were never committed, until ctx ends. Several
// instances may sweep: each reservation is turned once.
func (s *Service) Sweep(ctx context.Context) error {
	tick := time.NewTicker(min(sweepEvery, s.ttl/4)) // no hold lives much longer than it may
	defer tick.Stop()
	for {
		for {
			n, err := s.Expire(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "expire reservations", "error", err)
			}
			if n < sweepBatch {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Expire gives back one batch of overdue holds and tells how many. What others
// gave back meanwhile counts too.
func (s *Service) Expire(ctx context.Context) (int, error) {
	orderIDs, err := s.store.Overdue(ctx, s.now(), sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("find overdue reservations: %w", err)
	}
	var failed []error // one that cannot be given back does not keep the others
	for _, orderID := range orderIDs {
		err := s.store.Atomic(ctx, func(ctx context.Context) error {
			r, turned, err := s.store.Turn(ctx, orderID, inventory.Expired, inventory.Held)
			if err != nil || !turned { // somebody committed, released or expired it first
				return err
			}
			return s.apply(ctx, r, "", 0, -1)
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("expire the reservation of order %s: %w", orderID, err))
		}
	}
	return len(orderIDs) - len(failed), errors.Join(failed...)
}

// OnOrderCancelled gives back what a cancelled order bought.
func (s *Service) OnOrderCancelled(ctx context.Context, _ event.Meta, e orders.OrderEnded) error {
	_, err := s.release(ctx, e.OrderID)
	return err
}
