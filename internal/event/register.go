package event

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
)

// registration says that a consumer has seen all there was of a topic.
type registration struct {
	Consumer     string
	Topic        string
	RegisteredAt database.Time
}

// TableName tells gorm where registrations live.
func (registration) TableName() string { return "inbox_consumers" }

// register brings a consumer up to date with topics that it never listened to
// before, from the logs of the sources. New events reach it at the same time and
// wait for their turn. After a crash in the middle it starts again, and the
// cursors recognise what was applied.
func (b *Bus) register(ctx context.Context, c *Consumer) error {
	fresh, err := c.Unregistered(ctx)
	if err != nil || len(fresh) == 0 {
		return err
	}
	b.running.Add(1)
	defer b.running.Add(-1)
	defer b.moves.Add(1)
	for _, r := range b.sources {
		if err := c.catchUp(ctx, r.outbox, fresh); err != nil {
			return fmt.Errorf("catch up %s with the log of %s: %w", c.Name(), r.outbox.Module(), err)
		}
	}
	return c.Register(ctx, fresh)
}

// Unregistered gives the topics of which the consumer has not seen all there was:
// a transport catches it up, then calls Register.
func (c *Consumer) Unregistered(ctx context.Context) ([]string, error) {
	var known []string
	err := c.db.Conn(ctx).Model(&registration{}).Where("consumer = ?", c.Name()).Pluck("topic", &known).Error
	if err != nil {
		return nil, fmt.Errorf("read what %s listens to: %w", c.Name(), err)
	}
	var fresh []string
	for _, t := range c.topics {
		if !slices.Contains(known, t) {
			fresh = append(fresh, t)
		}
	}
	return fresh, nil
}

// Register notes that the consumer has seen all there was of topics.
func (c *Consumer) Register(ctx context.Context, topics []string) error {
	now := database.At(c.now())
	rows := make([]registration, len(topics))
	for i, t := range topics {
		rows[i] = registration{Consumer: c.Name(), Topic: t, RegisteredAt: now}
	}
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		return c.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
	})
	if err != nil {
		return fmt.Errorf("register %s: %w", c.Name(), err)
	}
	return nil
}

// Unregister notes that the consumer may have missed something of every topic.
func (c *Consumer) Unregister(ctx context.Context) error {
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		return c.db.Conn(ctx).Where("consumer = ?", c.Name()).Delete(&registration{}).Error
	})
	if err != nil {
		return fmt.Errorf("forget what %s has seen: %w", c.Name(), err)
	}
	return nil
}

func (c *Consumer) catchUp(ctx context.Context, o *Outbox, topics []string) error {
	trimmed, err := o.trimmed(ctx)
	if err != nil {
		return err
	}
	if trimmed { // aggregates whose beginning is gone start with what is left
		unknownOnly := []clause.Expression{clause.Expr{SQL: "inbox_cursors.version < 0"}}
		err = o.bases(ctx, topics, time.Time{}, func(page []base) error {
			page = slices.DeleteFunc(page, func(p base) bool { return p.First == 1 })
			if len(page) == 0 {
				return nil
			}
			return c.db.Atomic(ctx, func(ctx context.Context) error { return c.place(c.db.Conn(ctx), page, unknownOnly) })
		})
		if err != nil {
			return err
		}
	}
	return o.read(ctx, topics, time.Time{}, func(page []Envelope) error { return c.Deliver(ctx, page) })
}
