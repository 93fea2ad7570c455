package core

import (
	"context"
	"errors"
	"time"
)

// leaseSlack is how much longer than its wait a command may take before a
// repeat believes that its process died.
const leaseSlack = 5 * time.Second

// after waits until a saga is over, or patience is, and gives the order as it is
// then. It leaves a tenth of the caller's time for the answer.
func (s *Service) after(ctx context.Context, saga string, patience time.Duration, order string) (*Order, error) {
	if err := s.await(ctx, saga, patience); err != nil {
		return nil, err
	}
	return s.store.Get(ctx, order)
}

// await returns when a saga is over, or patience is.
func (s *Service) await(ctx context.Context, saga string, patience time.Duration) error {
	if until, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(until)*9/10)
	}
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if _, err := s.sagas.Wait(waiting, saga); err != nil && !errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return err
	}
	return nil
}
