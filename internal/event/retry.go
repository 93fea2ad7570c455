package event

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/database"
)

const (
	headsAtOnce = 64 // aggregates whose waiting events are tried in one go

	// dueHeads are the pending events whose turn it is: nothing of their aggregate
	// is missing before them. Those of a topic that this version does not listen to, because
	// an older or a newer one has left them, stay for the version that does: here they
	// would be applied without any effect.
	dueHeads = `FROM inbox_pending AS p
		JOIN inbox_cursors AS c ON c.consumer = p.consumer AND c.topic = p.topic AND c.aggregate_id = p.aggregate_id
		WHERE p.consumer = ? AND p.topic IN ? AND p.state = 'pending' AND p.next_attempt_at <= ?
		AND p.version <= CASE WHEN c.version < 0 THEN 1 ELSE c.version + 1 END`
)

// claim is what one attempt took of the pending events: their next attempt is out
// of the way of other instances until then.
type claim struct {
	ids   []string
	until database.Time
}

// retryDue applies pending events whose time has come and those that waited
// behind them. It tells whether there was anything to do.
func (c *Consumer) retryDue(ctx context.Context) (bool, error) {
	if err := c.unclaim(ctx); err != nil {
		return false, err
	}
	heads, taken, err := c.claimHeads(ctx)
	if err == nil && len(heads) > 0 {
		err = c.retryFrom(ctx, heads)
	}
	if err != nil && len(taken.ids) > 0 {
		c.claiming.Lock()
		c.failed = append(c.failed, taken)
		c.claiming.Unlock()
	}
	return len(heads) > 0 && err == nil, err
}

// retryFrom applies events that are due and those that waited behind them.
func (c *Consumer) retryFrom(ctx context.Context, heads []pending) error {
	var batch []Envelope
	for _, head := range heads {
		run, err := c.runFrom(ctx, head)
		if err != nil {
			return err
		}
		batch = append(batch, run...)
	}
	if err := c.process(ctx, batch, true); err != nil {
		return fmt.Errorf("retry events of %s: %w", c.Name(), err)
	}
	return nil
}

// unclaim makes due again what attempts took that came to nothing, such as where the
// database went away or the outcome of the claim itself is not known: nobody would
// look at it for as long as an attempt may take.
func (c *Consumer) unclaim(ctx context.Context) error {
	for {
		c.claiming.Lock()
		if len(c.failed) == 0 {
			c.claiming.Unlock()
			return nil
		}
		old := c.failed[0]
		c.failed = c.failed[1:]
		c.claiming.Unlock()
		err := c.db.Atomic(ctx, func(ctx context.Context) error {
			return c.db.Conn(ctx).Exec(`UPDATE inbox_pending SET next_attempt_at = ?
				WHERE consumer = ? AND event_id IN ? AND state = 'pending' AND next_attempt_at = ?`,
				database.At(c.now()), c.Name(), old.ids, old.until).Error
		})
		if err != nil {
			c.claiming.Lock()
			c.failed = append(c.failed, old)
			c.claiming.Unlock()
			return fmt.Errorf("give due events of %s back: %w", c.Name(), err)
		}
	}
}

// inherit makes what others have claimed due, and what waits for its next attempt
// with it: a start is as good a moment for one.
func (c *Consumer) inherit(ctx context.Context) error {
	now := database.At(c.now())
	return c.db.Atomic(ctx, func(ctx context.Context) error {
		return c.db.Conn(ctx).Exec(`UPDATE inbox_pending SET next_attempt_at = ?
			WHERE consumer = ? AND state = 'pending' AND next_attempt_at > ?`, now, c.Name(), now).Error
	})
}

// claimHeads finds due events and moves their next attempt out of the way of
// other instances for longer than this attempt can take. What it tried to take is
// told with an error too.
func (c *Consumer) claimHeads(ctx context.Context) (heads []pending, taken claim, err error) {
	now := database.At(c.now())
	var due []pending
	err = c.db.Conn(ctx).Raw(`SELECT p.* `+dueHeads+` ORDER BY p.next_attempt_at, p.event_id LIMIT ?`, c.Name(), c.topics, now, headsAtOnce).
		Scan(&due).Error
	if err != nil {
		return nil, claim{}, fmt.Errorf("look for due events of %s: %w", c.Name(), err)
	}
	if len(due) == 0 {
		return nil, claim{}, nil
	}
	taken = claim{ids: make([]string, len(due)), until: database.At(now.Add(2 * c.Deadline))}
	for i, p := range due {
		taken.ids[i] = p.EventID
	}
	mine := map[string]bool{}
	err = c.db.Atomic(ctx, func(ctx context.Context) error {
		var claimed []string
		err := c.db.Conn(ctx).Raw(`UPDATE inbox_pending SET next_attempt_at = ?
			WHERE consumer = ? AND event_id IN ? AND state = 'pending' AND next_attempt_at <= ? RETURNING event_id`,
			taken.until, c.Name(), taken.ids, now).Scan(&claimed).Error
		clear(mine)
		for _, id := range claimed {
			mine[id] = true
		}
		return err
	})
	if err != nil {
		return nil, taken, fmt.Errorf("claim due events of %s: %w", c.Name(), err)
	}
	for _, p := range due {
		if mine[p.EventID] {
			heads = append(heads, p)
		}
	}
	return heads, taken, nil
}

// runFrom gives the event at the head and those that follow it without a gap and
// wait for nothing else. Dropped ones are in it: a replay leaves them in the way.
func (c *Consumer) runFrom(ctx context.Context, head pending) ([]Envelope, error) {
	var rows []pending
	err := c.db.Conn(ctx).
		Where("consumer = ? AND topic = ? AND aggregate_id = ? AND version >= ?",
			c.Name(), head.Topic, head.AggregateID, head.Version).
		Order("version").Limit(batchSize).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read pending events of %s: %w", c.Name(), err)
	}
	now := c.now()
	var run []Envelope
	for i, p := range rows {
		waits := p.State == stateParked || p.State == statePending && p.NextAttemptAt.After(now)
		if p.EventID != head.EventID && (waits || p.Version > head.Version+int64(i)) {
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
	err := c.db.Conn(ctx).Raw(`SELECT count(*) `+dueHeads, c.Name(), c.topics, database.At(c.now())).Scan(&n).Error
	return n, err
}
