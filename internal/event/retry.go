package event

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/database"
)

const (
	headsAtOnce = 64 // aggregates whose waiting events are tried in one go

	// dueHeads are the pending events whose turn it is: nothing of their aggregate
	// is missing before them.
	dueHeads = `FROM inbox_pending AS p
		JOIN inbox_cursors AS c ON c.consumer = p.consumer AND c.topic = p.topic AND c.aggregate_id = p.aggregate_id
		WHERE p.consumer = ? AND p.state = 'pending' AND p.next_attempt_at <= ?
		AND p.version <= CASE WHEN c.version < 0 THEN 1 ELSE c.version + 1 END`
)

// retryDue applies pending events whose time has come and those that waited
// behind them. It tells whether there was anything to do.
func (c *Consumer) retryDue(ctx context.Context) (bool, error) {
	heads, err := c.claimHeads(ctx)
	if err != nil || len(heads) == 0 {
		return false, err
	}
	var batch []Envelope
	for _, head := range heads {
		run, err := c.runFrom(ctx, head)
		if err != nil {
			return false, err
		}
		batch = append(batch, run...)
	}
	if err := c.process(ctx, batch, true); err != nil {
		return false, fmt.Errorf("retry events of %s: %w", c.Name(), err)
	}
	return true, nil
}

// claimHeads finds due events and moves their next attempt out of the way of
// other instances for longer than this attempt can take.
func (c *Consumer) claimHeads(ctx context.Context) ([]pending, error) {
	now := database.At(c.now())
	var due []pending
	err := c.db.Conn(ctx).Raw(`SELECT p.* `+dueHeads+` ORDER BY p.next_attempt_at, p.event_id LIMIT ?`, c.Name(), now, headsAtOnce).
		Scan(&due).Error
	if err != nil {
		return nil, fmt.Errorf("look for due events of %s: %w", c.Name(), err)
	}
	if len(due) == 0 {
		return nil, nil
	}
	ids := make([]string, len(due))
	for i, p := range due {
		ids[i] = p.EventID
	}
	mine := map[string]bool{}
	err = c.db.Atomic(ctx, func(ctx context.Context) error {
		var claimed []string
		err := c.db.Conn(ctx).Raw(`UPDATE inbox_pending SET next_attempt_at = ?
			WHERE consumer = ? AND event_id IN ? AND state = 'pending' AND next_attempt_at <= ? RETURNING event_id`,
			database.At(now.Add(2*c.Deadline)), c.Name(), ids, now).Scan(&claimed).Error
		clear(mine)
		for _, id := range claimed {
			mine[id] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim due events of %s: %w", c.Name(), err)
	}
	var heads []pending
	for _, p := range due {
		if mine[p.EventID] {
			heads = append(heads, p)
		}
	}
	return heads, nil
}

// runFrom gives the event at the head and those that follow it without a gap and
// wait for nothing else.
func (c *Consumer) runFrom(ctx context.Context, head pending) ([]Envelope, error) {
	var rows []pending
	err := c.db.Conn(ctx).
		Where("consumer = ? AND topic = ? AND aggregate_id = ? AND version >= ? AND state <> ?",
			c.Name(), head.Topic, head.AggregateID, head.Version, stateDropped).
		Order("version").Limit(batchSize).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read pending events of %s: %w", c.Name(), err)
	}
	now := c.now()
	var run []Envelope
	for i, p := range rows {
		if p.EventID != head.EventID && (p.State != statePending || p.NextAttemptAt.After(now) || p.Version > head.Version+int64(i)) {
			break
		}
		e, err := Decode([]byte(p.Envelope))
		if err != nil {
			return nil, fmt.Errorf("pending event %s: %w", p.EventID, err)
		}
		run = append(run, e)
	}
	return run, nil
}

// countDue tells how many pending events could be applied now.
func (c *Consumer) countDue(ctx context.Context) (int64, error) {
	var n int64
	err := c.db.Conn(ctx).Raw(`SELECT count(*) `+dueHeads, c.Name(), database.At(c.now())).Scan(&n).Error
	return n, err
}
