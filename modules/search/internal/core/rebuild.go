package core

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/search"
)

const (
	// leash is how long a builder may give no sign of life. Then what it built is
	// given up, and it can write no more to it.
	leash = 20 * time.Second
	// grace is how long a retired generation stays: longer than a question or the
	// handler of an event that still knows it can take.
	grace = time.Minute
	// tidyEvery is how often it is looked for generations to be removed.
	tidyEvery = 15 * time.Second
	// sweepPause is between two parts of a removal, so that events go first.
	sweepPause = 20 * time.Millisecond
)

// Generations are the indexes that there are: one that answers, at most one that
// is being built, and those that are to be removed. Writes are made inside Atomic.
type Generations interface {
	// Begin makes a generation to be built under a token; 0 where one is being built
	// already, with the time since when.
	Begin(ctx context.Context, token string) (generation int64, since time.Time, err error)
	// Beat says that the builder is alive. It is false where the generation is no
	// longer its own.
	Beat(ctx context.Context, generation int64, token string) (bool, error)
	// Switch makes the generation the one that answers, and retires the one that did.
	// It is false where the generation is no longer the builder's.
	Switch(ctx context.Context, generation int64, token string) (bool, error)
	// Retire gives up a generation that is being built.
	Retire(ctx context.Context, generation int64, token string) error
	// RetireSilent gives up one whose builder gave no sign of life since an instant.
	RetireSilent(ctx context.Context, since time.Time) error
	// Retired are the generations that were retired before an instant.
	Retired(ctx context.Context, before time.Time) ([]int64, error)
	// Sweep removes a part of a retired generation, and tells whether that was all.
	Sweep(ctx context.Context, generation int64) (bool, error)
}

// Build is a generation that is being built.
type Build struct {
	store      Store
	generation int64
	token      string
}

var _ event.Rebuilding = (*Build)(nil)

// Rebuild begins a generation. Code: search.Rebuilding where somebody else builds one.
func (s *Service) Rebuild(ctx context.Context) (*Build, error) {
	b := &Build{store: s.store, token: s.newID()}
	err := s.store.Atomic(ctx, func(ctx context.Context) error {
		if err := s.store.RetireSilent(ctx, s.now().Add(-leash)); err != nil {
			return err
		}
		var since time.Time
		var err error
		if b.generation, since, err = s.store.Begin(ctx, b.token); err != nil || b.generation > 0 {
			return err
		}
		return search.Rebuilding.Errorf("the index is being built already, since %s; wait for that, or end it: %s after its last sign of life it is given up",
			since.UTC().Format(time.RFC3339), leash)
	})
	if err != nil {
		return nil, fmt.Errorf("begin a new index: %w", err)
	}
	return b, nil
}

// Apply implements event.Rebuilding.
func (b *Build) Apply(ctx context.Context, events []event.Envelope) error {
	return b.store.Atomic(ctx, func(ctx context.Context) error {
		if err := b.mine(b.store.Beat(ctx, b.generation, b.token)); err != nil {
			return err
		}
		return (&Target{store: b.store, only: b.generation}).apply(ctx, events)
	})
}

// Finish implements event.Rebuilding.
func (b *Build) Finish(ctx context.Context) error {
	return b.store.Atomic(ctx, func(ctx context.Context) error {
		return b.mine(b.store.Switch(ctx, b.generation, b.token))
	})
}

// Abandon implements event.Rebuilding.
func (b *Build) Abandon(ctx context.Context) error {
	return b.store.Atomic(ctx, func(ctx context.Context) error { return b.store.Retire(ctx, b.generation, b.token) })
}

func (b *Build) mine(yes bool, err error) error {
	if err == nil && !yes {
		err = search.Rebuilding.Errorf("the index that was being built was given up meanwhile, because its builder gave no sign of life for %s; start again", leash)
	}
	return err
}

// Repair writes events again to what there is: the last of each aggregate, as
// older ones than those that were applied are passed over.
type Repair struct{ store Store }

var _ event.Rebuilding = (*Repair)(nil)

// Repair begins one.
func (s *Service) Repair() *Repair { return &Repair{store: s.store} }

// Apply implements event.Rebuilding.
func (r *Repair) Apply(ctx context.Context, events []event.Envelope) error {
	return r.store.Atomic(ctx, func(ctx context.Context) error { return (&Target{store: r.store}).apply(ctx, events) })
}

// Finish implements event.Rebuilding.
func (r *Repair) Finish(context.Context) error { return nil }

// Abandon implements event.Rebuilding.
func (r *Repair) Abandon(context.Context) error { return nil }

// Tidy removes generations that nobody needs, until ctx ends.
func (s *Service) Tidy(log *slog.Logger, wait func(ctx context.Context, d time.Duration)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			if err := s.tidy(ctx, wait); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "remove old indexes", "error", err)
			}
			wait(ctx, tidyEvery)
		}
		return nil
	}
}

func (s *Service) tidy(ctx context.Context, wait func(ctx context.Context, d time.Duration)) error {
	err := s.store.Atomic(ctx, func(ctx context.Context) error { return s.store.RetireSilent(ctx, s.now().Add(-leash)) })
	if err != nil {
		return err
	}
	old, err := s.store.Retired(ctx, s.now().Add(-grace))
	if err != nil {
		return err
	}
	for _, generation := range old {
		for done := false; !done && ctx.Err() == nil; wait(ctx, sweepPause) {
			err := s.store.Atomic(ctx, func(ctx context.Context) (err error) {
				done, err = s.store.Sweep(ctx, generation)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Wait pauses until d is over or ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
