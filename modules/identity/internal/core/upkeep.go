package core

import (
	"context"
	"fmt"
	"time"
)

const (
	rotateEvery = 10 * time.Minute
	purgeEvery  = time.Hour
	purgeBatch  = 500 // rows in one transaction, so that others get their turn
)

// KeepKeys rotates the signing keys until ctx ends.
func (s *Service) KeepKeys(ctx context.Context) error {
	return s.every(ctx, rotateEvery, "rotate the signing keys", s.Rotate)
}

// KeepClean drops what has expired until ctx ends.
func (s *Service) KeepClean(ctx context.Context) error {
	return s.every(ctx, purgeEvery, "drop what has expired", s.Purge)
}

// Purge drops tokens and sessions that have expired and windows that are over.
// Any number of instances may call it.
func (s *Service) Purge(ctx context.Context) error {
	for {
		var n int64
		err := s.store.Atomic(ctx, func(ctx context.Context) (err error) {
			now := s.now()
			n, err = s.store.Purge(ctx, now, now.Add(-attemptWindow), purgeBatch)
			return err
		})
		if err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		if n < purgeBatch {
			return nil
		}
	}
}

// every does the work now and at each tick. What fails is tried at the next one.
func (s *Service) every(ctx context.Context, pause time.Duration, what string, work func(context.Context) error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, what, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
