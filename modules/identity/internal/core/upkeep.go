package core

import (
	"context"
	"fmt"
	"time"
)

// How often Rotate and Purge are to be called.
const (
	RotateEvery = 10 * time.Minute
	PurgeEvery  = time.Hour
)

// Purge drops tokens and sessions that have expired and windows that are over.
// Any number of instances may call it.
func (s *Service) Purge(ctx context.Context) error {
	now := s.now()
	if err := s.store.Purge(ctx, now, now.Add(-attemptWindow)); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return nil
}
