package core

import (
	"context"
	"fmt"
	"time"
)

const purgeBatch = 500 // rows in one transaction, so that others get their turn

// How often Rotate and Purge are to be called.
const (
	RotateEvery = 10 * time.Minute
	PurgeEvery  = time.Hour
)

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
