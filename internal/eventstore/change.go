package eventstore

import (
	"context"
	"errors"
	"fmt"
)

// Change is what a command did to a stream.
type Change[S any] struct {
	Loaded[S]            // after it
	Recorded  []Recorded // none where there was nothing to do
	Repeated  bool       // the command was recorded before: Recorded is what it did then
}

// Decide looks at a state and says what happens, or refuses with an error. It may
// be called several times, so it must have no effect.
type Decide[S any] func(l Loaded[S]) (events []any, err error)

// Change lets decide act on the state of a stream, and records what it says at the
// head that it saw. within, unless nil, runs in the same transaction after that,
// to publish what happened; it may be called several times. A command, unless
// empty, is recorded at most once in a stream: repeating it gives what it did.
//
// What decide refuses was refused on the state as it is, never on an old one. In a
// transaction of the module (database.Atomic) it joins it.
func (s *Streams[S]) Change(ctx context.Context, stream, command string, decide Decide[S], within func(ctx context.Context, c Change[S]) error) (Change[S], error) {
	a := action[S]{streams: s, stream: stream, command: command, decide: decide, within: within}
	if s.store.db.Inside(ctx) {
		// It does not wait for the queue: on SQLite whoever is in it may be waiting
		// for this transaction.
		return a.locked(ctx)
	}
	return a.queued(ctx)
}

// action is a change under way.
type action[S any] struct {
	streams *Streams[S]
	stream  string
	command string
	decide  Decide[S]
	within  func(ctx context.Context, c Change[S]) error
}

// queued tries what is cheapest first: on the cache, on what the database has, and
// where somebody else was faster both times, under the lock of the stream.
func (a action[S]) queued(ctx context.Context) (Change[S], error) {
	leave, err := a.streams.queues.enter(ctx, a.stream)
	if err != nil {
		return Change[S]{}, fmt.Errorf("wait for the stream %s: %w", a.stream, err)
	}
	defer leave()
	// The cache may be behind. What is recorded on it proves by its version that it
	// was not; anything else is decided again on what the database has.
	if l, known := a.streams.cache.GetIfPresent(a.stream); known {
		if events, err := a.decide(l); err == nil && len(events) > 0 {
			if c, err := a.atomic(ctx, l, events); !isConflict(err) {
				return c, err
			}
		}
	}
	l, err := a.streams.Load(ctx, a.stream)
	if err != nil {
		return Change[S]{}, err
	}
	if c, done, err := a.repeated(ctx); err != nil || done {
		return c, err
	}
	events, err := a.decide(l)
	if err != nil || len(events) == 0 {
		return Change[S]{Loaded: l}, err
	}
	c, err := a.atomic(ctx, l, events)
	if isConflict(err) {
		err = a.streams.store.db.Atomic(ctx, func(ctx context.Context) (err error) {
			c, err = a.locked(ctx)
			return err
		})
	}
	return c, err
}

// locked changes in the transaction of ctx, from which everybody else is kept out.
func (a action[S]) locked(ctx context.Context) (Change[S], error) {
	if err := a.streams.store.lock(ctx, a.stream); err != nil {
		return Change[S]{}, err
	}
	l, err := a.streams.Load(ctx, a.stream)
	if err != nil {
		return Change[S]{}, err
	}
	if c, done, err := a.repeated(ctx); err != nil || done {
		return c, err
	}
	events, err := a.decide(l)
	if err != nil || len(events) == 0 {
		return Change[S]{Loaded: l}, err
	}
	return a.record(ctx, l, events)
}

// repeated gives what the command did before.
func (a action[S]) repeated(ctx context.Context) (Change[S], bool, error) {
	events, err := a.streams.store.Recorded(ctx, a.stream, a.command)
	if err != nil || len(events) == 0 {
		return Change[S]{}, false, err
	}
	l, err := a.streams.To(ctx, a.stream, events[len(events)-1].Version)
	return Change[S]{Loaded: l, Recorded: events, Repeated: true}, err == nil, err
}

// atomic records in a transaction of its own.
func (a action[S]) atomic(ctx context.Context, l Loaded[S], events []any) (c Change[S], err error) {
	err = a.streams.store.db.Atomic(ctx, func(ctx context.Context) error {
		c, err = a.record(ctx, l, events)
		return err
	})
	return c, err
}

// record appends in the transaction of ctx.
func (a action[S]) record(ctx context.Context, l Loaded[S], events []any) (c Change[S], err error) {
	s := a.streams
	if c.Recorded, err = s.store.Append(ctx, a.stream, l.Head, a.command, events...); err != nil {
		return c, err
	}
	if c.Loaded, err = s.apply(l, c.Recorded...); err != nil {
		return c, fmt.Errorf("fold what is about to be recorded in stream %s: %w", a.stream, err)
	}
	if a.within != nil {
		if err := a.within(ctx, c); err != nil {
			return c, err
		}
	}
	after := c
	s.store.db.AfterCommit(ctx, func() {
		s.cache.Set(a.stream, after.Loaded)
		s.due(a.stream, after)
	})
	return c, nil
}

func isConflict(err error) bool {
	var conflict *Conflict
	return errors.As(err, &conflict)
}
