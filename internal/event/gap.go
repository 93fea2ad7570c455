package event

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
)

// gap is an aggregate of which events wait for one that did not come.
type gap struct {
	Topic       string
	AggregateID string
	Head        int64 // lowest version that waits
	Version     int64 // of the cursor
}

func (c *Consumer) gaps(ctx context.Context, patience time.Duration) ([]gap, error) {
	var found []gap
	err := c.db.Conn(ctx).Raw(`SELECT p.topic, p.aggregate_id, MIN(p.version) AS head, c.version AS version
		FROM inbox_pending AS p
		JOIN inbox_cursors AS c ON c.consumer = p.consumer AND c.topic = p.topic AND c.aggregate_id = p.aggregate_id
		WHERE p.consumer = ? AND p.state <> 'dropped'
		GROUP BY p.topic, p.aggregate_id, c.version
		HAVING MIN(p.version) > CASE WHEN c.version < 0 THEN 1 ELSE c.version + 1 END AND MIN(p.first_seen) <= ?
		ORDER BY p.topic, p.aggregate_id LIMIT ?`,
		c.Name(), database.At(c.now().Add(-patience)), headsAtOnce).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("look for gaps of %s: %w", c.Name(), err)
	}
	return found, nil
}

// closeGaps fetches missing events from the logs of the sources. They can be
// there: an older version of the program, which did not know this consumer,
// relayed them during a rolling start. Where retention has dropped them, of an
// aggregate that the consumer never met or after a crash that took cursors of events
// without effect, it goes on with what is left.
func (b *Bus) closeGaps(ctx context.Context, c *Consumer, patience time.Duration) error {
	found, err := c.gaps(ctx, patience)
	if err != nil {
		return err
	}
	for _, g := range found {
		for _, r := range b.sources {
			if err := c.closeGap(ctx, r.outbox, g); err != nil {
				return fmt.Errorf("close a gap of %s in %s %s: %w", c.Name(), g.Topic, g.AggregateID, err)
			}
		}
	}
	return nil
}

func (c *Consumer) closeGap(ctx context.Context, o *Outbox, g gap) error {
	k := key{g.Topic, g.AggregateID}
	missing, err := o.between(ctx, k, max(g.Version, 0), g.Head)
	if err != nil {
		return err
	}
	first := g.Head
	if len(missing) > 0 {
		first = missing[0].Version
	}
	// What a transport brings is not put off: of an aggregate that is known, it may come yet.
	if known := g.Version >= 0; first > max(g.Version, 0)+1 && !(known && c.carried) {
		if err := c.startAt(ctx, o, k, g.Version, first); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return c.process(ctx, missing, false)
}

// startAt passes over the events of an aggregate between what the consumer has and
// first, if the log proves that they existed and were dropped.
func (c *Consumer) startAt(ctx context.Context, o *Outbox, k key, has, first int64) error {
	trimmed, err := o.trimmed(ctx)
	if err != nil || !trimmed {
		return err
	}
	here, err := o.between(ctx, k, first-1, first+1)
	if err != nil || len(here) == 0 {
		return err // the log of another source
	}
	if has >= 0 {
		c.log.WarnContext(ctx, "events were dropped before their cursor had moved: they had no effect here, or this consumer was away for longer than events are kept",
			"consumer", c.Name(), "topic", k.topic, "aggregate", k.aggregate, "after", has, "before", first)
	}
	unmoved := []clause.Expression{clause.Expr{SQL: "inbox_cursors.version = ?", Vars: []any{has}}}
	err = c.db.Atomic(ctx, func(ctx context.Context) error {
		return c.place(c.db.Conn(ctx), []base{{Topic: k.topic, AggregateID: k.aggregate, First: first}}, unmoved)
	})
	if err == nil {
		raise(c.wake)
	}
	return err
}
