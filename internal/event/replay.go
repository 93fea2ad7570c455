package event

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Replay delivers the events since an instant to one consumer again, from the
// logs of all sources, so that a read model can be rebuilt: empty its tables
// first. The consumer's cursors go back to before the first of these events;
// aggregates without such events are left alone. New events meanwhile wait for
// their turn. progress, if not nil, is told how far it is. It may be repeated
// after a crash. It returns how many events were delivered. A consumer that has a
// Rebuild is replayed into what that makes: its tables stay, and serve meanwhile.
// Codes: NotFound for a consumer that is not there.
func (b *Bus) Replay(ctx context.Context, consumer string, since time.Time, progress func(done, total int64)) (int64, error) {
	c := b.Consumer(consumer)
	if c == nil {
		return 0, fault.NotFound.Errorf("no consumer is called %q", consumer)
	}
	if c.Rebuild != nil {
		return b.rebuild(ctx, c, since, progress)
	}
	var done, total int64
	for _, r := range b.sources {
		n, err := r.outbox.count(ctx, c.topics, since)
		if err != nil {
			return 0, err
		}
		total += n
		err = r.outbox.bases(ctx, c.topics, since, func(page []base) error { return c.rewind(ctx, page) })
		if err != nil {
			return 0, err
		}
	}
	for _, r := range b.sources {
		err := r.outbox.read(ctx, c.topics, since, func(page []Envelope) error {
			if err := c.Deliver(ctx, page); err != nil {
				return err
			}
			done += int64(len(page))
			if progress != nil {
				progress(done, max(done, total))
			}
			return nil
		})
		if err != nil {
			return done, err
		}
	}
	raise(c.wake)
	return done, nil
}

// rewind sets cursors back to before the given events, and empties the inbox of
// these aggregates: what waits there comes again.
func (c *Consumer) rewind(ctx context.Context, page []base) error {
	aggregates := make([]string, len(page))
	for i, p := range page {
		aggregates[i] = p.AggregateID
	}
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		if err := c.place(conn, page, nil); err != nil {
			return err
		}
		return conn.Where("consumer = ? AND topic = ? AND aggregate_id IN ? AND state <> ?",
			c.Name(), page[0].Topic, aggregates, stateDropped).Delete(&pending{}).Error
	})
	if err != nil {
		return fmt.Errorf("set back the cursors of %s: %w", c.Name(), err)
	}
	return nil
}

// place puts cursors before the given versions; those that are there already
// only where the condition holds.
func (c *Consumer) place(conn *gorm.DB, page []base, where []clause.Expression) error {
	rows := make([]cursor, len(page))
	for i, p := range page {
		rows[i] = cursor{
			Consumer: c.Name(), Topic: p.Topic, AggregateID: p.AggregateID, Version: p.First - 1, Previous: absent,
		}
	}
	return conn.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "consumer"}, {Name: "topic"}, {Name: "aggregate_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"version", "previous"}),
		Where:     clause.Where{Exprs: where},
	}).Create(&rows).Error
}
