package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	pollEvery   = time.Second // the net for what another instance recorded
	workAtOnce  = 8
	forgetEvery = time.Hour
	forgetAfter = 30 * 24 * time.Hour // the provider sends no event again after that
	forgetBatch = 1000
)

// Work does due operations until ctx ends. Several instances may run it: each
// takes what no other is at.
func (s *Service) Work(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var forgot time.Time
	for {
		if err := s.WorkOff(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "provider operations cannot be worked off, trying again", "error", err)
		}
		if s.Now().Sub(forgot) > forgetEvery && s.forget(ctx) == nil {
			forgot = s.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// WorkOff does what is due now, and returns when nothing is left, or when the
// provider is left alone.
func (s *Service) WorkOff(ctx context.Context) error {
	for ctx.Err() == nil && s.Provider.Ready() == nil {
		due, err := s.Store.Due(ctx, s.Now())
		if err != nil || !due {
			return err
		}
		var ops []Operation
		err = s.Store.Atomic(ctx, func(ctx context.Context) error {
			now := s.Now()
			var err error
			ops, err = s.Store.ClaimDue(ctx, now, now.Add(claimTime), workAtOnce)
			return err
		})
		if err != nil {
			return fmt.Errorf("claim due operations: %w", err)
		}
		if len(ops) == 0 { // others were faster
			return nil
		}
		var all sync.WaitGroup
		for _, op := range ops {
			all.Go(func() {
				work, cancel := context.WithTimeout(ctx, workLimit)
				defer cancel()
				s.perform(work, op)
			})
		}
		all.Wait()
	}
	return nil
}

// Inherit takes back operations that somebody was at, for when it is known that
// whoever it was is gone. What it sent may still come through: whoever goes on
// asks the provider before anything is sent again.
func (s *Service) Inherit(ctx context.Context) error {
	if err := s.Store.Atomic(ctx, s.Store.Unclaim); err != nil {
		return fmt.Errorf("inherit provider operations: %w", err)
	}
	return nil
}

// perform does one claimed operation, and sees to a later try when it failed.
func (s *Service) perform(ctx context.Context, op Operation) {
	var err error
	if op.Repeated() || op.Kind == KindAuthorise { // whose maker is gone
		ctx = Again(ctx)
	}
	switch op.Kind {
	case KindAuthorise:
		err = s.performAuthorise(ctx, op)
	case KindCapture:
		err = s.performCapture(ctx, op)
	case KindVoid:
		err = s.performVoid(ctx, op)
	case KindRefund:
		err = s.performRefund(ctx, op)
	default:
		err = fmt.Errorf("operation of unknown kind %q", op.Kind)
	}
	if err == nil {
		return
	}
	tidy, cancel := s.tidy(ctx)
	defer cancel()
	s.later(tidy, op, err)
}

var errUnseen = errors.New("the provider does not know the charge yet")

// performAuthorise resolves an authorisation whose maker is gone: it only looks.
// To send it is for who brings the card's token.
func (s *Service) performAuthorise(ctx context.Context, op Operation) error {
	p, err := s.reload(ctx, op.PaymentID)
	if err != nil {
		return err
	}
	c, found, err := s.Provider.Find(ctx, op.Key)
	if err != nil {
		return err
	}
	if !found {
		return errUnseen
	}
	_, err = s.observe(ctx, p, c)
	return err
}

func (s *Service) release(ctx context.Context, op Operation, wait time.Duration) {
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		_, err := s.Store.Release(ctx, op, s.Now().Add(wait))
		return err
	})
	if err != nil {
		s.Log.WarnContext(ctx, "a provider operation could not be given back; it is taken up when its claim runs out", "operation", op.ID, "error", err)
	}
}

func (s *Service) forget(ctx context.Context) error {
	for {
		var n int64
		err := s.Store.Atomic(ctx, func(ctx context.Context) (err error) {
			n, err = s.Store.Forget(ctx, s.Now().Add(-forgetAfter), forgetBatch)
			return err
		})
		if err != nil || n < forgetBatch {
			return err
		}
	}
}
