package event

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Rebuilding is something new that a consumer makes of its events, beside what it
// has and without its inbox: events may come twice, and in another order than
// those that are delivered meanwhile.
type Rebuilding interface {
	// Apply takes events of the log, those of one aggregate in their order. What it
	// took before a crash is not given back by anybody: the next one starts anew.
	Apply(ctx context.Context, events []Envelope) error
	// Finish puts it in the place of what was there.
	Finish(ctx context.Context) error
	// Abandon gives it up; what was there stays.
	Abandon(ctx context.Context) error
}

// rebuildAtOnce is how many events a rebuilding gets at a time: few enough that
// live events do not wait long behind them.
const rebuildAtOnce = 256

// rebuild replays the logs into something new. Live events go on being delivered
// to the consumer, whose affair it is to write them to both.
func (b *Bus) rebuild(ctx context.Context, c *Consumer, since time.Time, progress func(done, total int64)) (done int64, err error) {
	made, err := c.Rebuild(ctx, since)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.Abandon(context.WithoutCancel(ctx)))
		}
	}()
	var total int64
	for _, r := range b.sources {
		n, err := r.outbox.count(ctx, c.topics, since)
		if err != nil {
			return 0, err
		}
		total += n
	}
	for _, r := range b.sources {
		err := r.outbox.read(ctx, c.topics, since, func(page []Envelope) error {
			for len(page) > 0 {
				n := min(len(page), rebuildAtOnce)
				if err := made.Apply(ctx, page[:n]); err != nil {
					return err
				}
				page = page[n:]
				done += int64(n)
				if progress != nil {
					progress(done, max(done, total))
				}
			}
			return nil
		})
		if err != nil {
			return done, fmt.Errorf("rebuild %s from the log of %s: %w", c.Name(), r.outbox.Module(), err)
		}
	}
	if err := made.Finish(ctx); err != nil {
		return done, fmt.Errorf("finish the rebuilding of %s: %w", c.Name(), err)
	}
	return done, nil
}
