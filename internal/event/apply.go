package event

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
)

// failure says which event of a batch its handler refused.
type failure struct {
	index int
	cause error
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

// redo is how often a batch is tried when somebody else moved a cursor, or the
// connection was cut: neither is the fault of an event.
const redo = 5

// Deliver applies events, each at most once, in order per aggregate. What fails
// or comes too early is kept in the inbox and is no error: an error means that
// nothing could be recorded, and that all of them must be delivered again. Events of
// topics that the consumer does not listen to have no effect here, which is noted for
// a version of it that does.
func (c *Consumer) Deliver(ctx context.Context, events []Envelope) error {
	var others []string
	for _, e := range events {
		if !slices.Contains(c.topics, e.Topic) && !slices.Contains(others, e.Topic) {
			others = append(others, e.Topic)
		}
	}
	if len(others) > 0 {
		if err := c.miss(ctx, others); err != nil {
			return err
		}
	}
	return c.deliver(ctx, c.mine(events))
}

// mine gives those events of the topics that the consumer listens to.
func (c *Consumer) mine(events []Envelope) []Envelope {
	mine := make([]Envelope, 0, len(events))
	for _, e := range events {
		if slices.Contains(c.topics, e.Topic) {
			mine = append(mine, e)
		}
	}
	return mine
}

func (c *Consumer) deliver(ctx context.Context, mine []Envelope) error {
	batch, before := c.take(mine)
	for done := 0; done < len(batch); {
		n := min(len(batch)-done, batchSize)
		if err := c.process(ctx, batch[done:done+n], false); err != nil {
			if done < before {
				c.giveBack(batch[done:before])
			}
			return fmt.Errorf("deliver events to %s: %w", c.Name(), err)
		}
		done += n
	}
	return nil
}

// process applies a batch in one transaction. When a handler fails, what stood
// before it is applied without it, the event is kept for later, and the rest goes
// on; events of the same aggregate then wait behind it.
func (c *Consumer) process(ctx context.Context, batch []Envelope, retry bool) error {
	for len(batch) > 0 {
		err := c.apply(ctx, batch, retry)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errMoved) {
			return err // by now it is somebody else's work; redelivery sorts it out
		}
		var failed *failure
		if !errors.As(err, &failed) {
			if len(batch) > 1 { // not known whose fault: find out one by one
				for i := range batch {
					if err := c.process(ctx, batch[i:i+1], retry); err != nil {
						return err
					}
				}
				return nil
			}
			failed = &failure{cause: err}
		}
		if failed.index > 0 {
			if err := c.process(ctx, batch[:failed.index], retry); err != nil {
				return err
			}
		}
		if err := c.keep(ctx, batch[failed.index], failed.cause); err != nil {
			return errors.Join(err, failed.cause)
		}
		batch = batch[failed.index+1:]
	}
	return nil
}

// apply is one transaction: cursors, handlers, cursors.
func (c *Consumer) apply(ctx context.Context, batch []Envelope, retry bool) error {
	var applied []Envelope
	var unblock bool
	var err error
	for range redo {
		err = c.db.Atomic(ctx, func(ctx context.Context) error {
			applied, unblock = nil, false
			var err error
			applied, unblock, err = c.applyIn(ctx, batch, retry)
			return err
		})
		if !errors.Is(err, errMoved) && !database.Disconnected(err) || ctx.Err() != nil {
			break
		}
		sleep(ctx, rand.N(20*time.Millisecond), nil)
	}
	if err != nil {
		return err
	}
	now := c.now()
	for _, e := range applied {
		c.metrics.deliver(c.Name(), now.Sub(e.Time), c.handles(e))
	}
	if unblock {
		raise(c.wake)
	}
	return nil
}

func (c *Consumer) applyIn(ctx context.Context, batch []Envelope, retry bool) (applied []Envelope, unblock bool, err error) {
	conn := c.db.Conn(ctx)
	all, err := c.cursorsOf(conn, batch)
	if err != nil {
		return nil, false, err
	}
	kept, dropped, err := c.keptOf(conn, batch, all)
	if err != nil {
		return nil, false, err
	}
	if retry { // what was kept is what is tried
		kept = nil
	}
	var early, passed []Envelope
	for i, e := range batch {
		cur := all[e.key()]
		switch {
		case cur.duplicate(e.Version) || kept[e.ID]:
		case cur.next(e.Version) && dropped[e.ID]: // for good, so for a replay too
			cur.advance(e.Version)
			unblock = true
			passed = append(passed, e)
		case cur.next(e.Version):
			if err := c.handle(ctx, e); err != nil {
				return nil, false, &failure{index: i, cause: err}
			}
			cur.advance(e.Version)
			unblock = unblock || cur.Blocked
			applied = append(applied, e)
		default:
			early = append(early, e)
			cur.block()
		}
	}
	if err := c.handleMany(ctx, applied); err != nil {
		return nil, false, err
	}
	if len(early) > 0 && !retry {
		if err := c.wait(conn, early); err != nil {
			return nil, false, err
		}
		if !c.carried { // relays keep the order: what is missing is in the log, or was put off elsewhere
			c.db.AfterCommit(ctx, func() { c.missed.Store(true); raise(c.wake) })
		}
	}
	if !retry && len(passed) == 0 {
		return applied, unblock, all.storeLast(ctx, c.db)
	}
	if err := all.store(ctx, conn); err != nil {
		return nil, false, err
	}
	if retry {
		err = c.forget(conn, batch, all)
	}
	if err == nil && len(passed) > 0 {
		err = c.unblock(conn, passed)
	}
	return applied, unblock, err
}
