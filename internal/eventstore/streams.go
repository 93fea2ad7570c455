package eventstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/maypok86/otter/v2"
)

// statesCached is how many states of one kind of stream are kept in memory.
const statesCached = 10_000

// Fold says how the events of a stream make its state. The zero S is the state
// of a stream in which nothing happened.
type Fold[S any] struct {
	// Apply gives the state after an event. It must not change the state that it
	// is given, nor anything that this one refers to: others hold it too.
	Apply func(state S, e Recorded) (S, error)
	// Schema is that of the snapshots, which are S as JSON. Raise it when S or what
	// Apply makes of events changes: older snapshots are then left alone.
	Schema int
	// Every is how many events lie between snapshots; 0 makes none.
	Every int
}

// Streams are the streams of a store whose state is an S.
type Streams[S any] struct {
	store  *Store
	fold   Fold[S]
	queues queues
	cache  *otter.Cache[string, Loaded[S]]
}

// Loaded is a stream's state with the head that it is of.
type Loaded[S any] struct {
	State S
	Head  Head
}

// Of gives the streams of a store as states.
func Of[S any](store *Store, fold Fold[S]) *Streams[S] {
	return &Streams[S]{
		store: store, fold: fold,
		cache: otter.Must(&otter.Options[string, Loaded[S]]{MaximumSize: statesCached}),
	}
}

// Load gives the state of a stream with everything that was committed before, and
// with nothing that the database has lost since.
// Errors: ErrUnknownType, ErrNewerSchema.
func (s *Streams[S]) Load(ctx context.Context, stream string) (Loaded[S], error) {
	all := span{to: math.MaxInt64}
	l, known := s.cache.GetIfPresent(stream)
	var err error
	if known {
		l, err = s.onward(ctx, stream, l, all)
	}
	if errors.Is(err, errHeadLost) {
		s.cache.Invalidate(stream)
		known = false
	}
	if !known {
		l, err = s.folded(ctx, stream, all)
	}
	if err == nil && l.Head.Version > 0 {
		s.remember(ctx, stream, l)
	}
	return l, err
}

// At gives the state of a stream as it was at an instant: after the events that
// were recorded then or before. It changes no more once the transactions that were
// under way at the instant, by any instance's clock, have ended.
func (s *Streams[S]) At(ctx context.Context, stream string, at time.Time) (Loaded[S], error) {
	return s.folded(ctx, stream, span{to: math.MaxInt64, until: at})
}

// To gives the state of a stream after a version.
func (s *Streams[S]) To(ctx context.Context, stream string, version int64) (Loaded[S], error) {
	return s.folded(ctx, stream, span{to: version})
}

// Visitor is shown streams by Walk.
type Visitor[S any] struct {
	Event  func(r Recorded, after S)              // each event with the state that it made
	End    func(stream string, l Loaded[S]) error // nothing is left of a stream
	Broken func(stream string, why error)         // instead of End: its events make no state
}

// Walk folds the streams from one name to another, both included, each from its
// first event, past snapshots and cache: for who checks them all. They are read
// page by page in one go, so that many short ones cost no more than a long one.
func (s *Streams[S]) Walk(ctx context.Context, from, to string, v Visitor[S]) error {
	var stream string
	var l Loaded[S]
	var broken bool
	end := func() error {
		if stream == "" || broken {
			return nil
		}
		return v.End(stream, l)
	}
	err := s.store.walk(ctx, from, to, func(r Recorded, err error) error {
		if r.Stream != stream {
			if err := end(); err != nil {
				return err
			}
			stream, l, broken = r.Stream, Loaded[S]{}, false
		}
		if broken {
			return nil
		}
		if err == nil {
			if l, err = s.apply(l, r); err == nil {
				v.Event(r, l.State)
				return nil
			}
			err = fmt.Errorf("fold version %d of stream %s: %w", r.Version, stream, err)
		}
		broken = true
		v.Broken(stream, err)
		return nil
	})
	if err != nil {
		return err
	}
	return end()
}

func (s *Streams[S]) folded(ctx context.Context, stream string, p span) (Loaded[S], error) {
	from, err := s.nearest(ctx, stream, p)
	if err != nil {
		return from, err
	}
	l, err := s.onward(ctx, stream, from, p)
	if errors.Is(err, errHeadLost) { // a snapshot of other events
		return s.onward(ctx, stream, Loaded[S]{}, p)
	}
	return l, err
}

func (s *Streams[S]) onward(ctx context.Context, stream string, l Loaded[S], p span) (Loaded[S], error) {
	err := s.store.each(ctx, stream, l.Head, p, func(e Recorded) (err error) {
		l, err = s.apply(l, e)
		return err
	})
	return l, err
}

func (s *Streams[S]) apply(l Loaded[S], events ...Recorded) (Loaded[S], error) {
	for _, e := range events {
		if e.Version != l.Head.Version+1 {
			return l, fmt.Errorf("version %d follows on version %d", e.Version, l.Head.Version)
		}
		state, err := s.fold.Apply(l.State, e)
		if err != nil {
			return l, err
		}
		l = Loaded[S]{State: state, Head: e.Head()}
	}
	return l, nil
}

// remember caches what was read, unless a transaction may still undo it.
func (s *Streams[S]) remember(ctx context.Context, stream string, l Loaded[S]) {
	if !s.store.db.Inside(ctx) {
		s.cache.Set(stream, l)
	}
}
