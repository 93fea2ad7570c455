package event

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// gaps gives aggregates of which events have waited for patience, or as long as
// beginning where the aggregate was never met and its log is in another process. Those
// that stand behind after come first: a page may be full of gaps that nobody can close.
// Those of a topic that only another version listens to are that version's.
func (c *Consumer) gaps(ctx context.Context, patience, beginning time.Duration, after key) ([]gap, error) {
	here := slices.DeleteFunc(slices.Clone(c.topics), func(t string) bool { return c.carried && c.logOf(t) == nil })
	now := c.now()
	var found []gap
	err := c.db.Conn(ctx).Raw(`SELECT p.topic, p.aggregate_id, MIN(p.version) AS head, c.version AS version
		FROM inbox_pending AS p
		JOIN inbox_cursors AS c ON c.consumer = p.consumer AND c.topic = p.topic AND c.aggregate_id = p.aggregate_id
		WHERE p.consumer = ? AND p.topic IN ? AND p.state <> 'dropped'
		GROUP BY p.topic, p.aggregate_id, c.version
		HAVING MIN(p.version) > CASE WHEN c.version < 0 THEN 1 ELSE c.version + 1 END AND MIN(p.first_seen) <= ?
			AND (MIN(p.first_seen) <= ? OR c.version >= 0 OR p.topic IN ?)
		ORDER BY CASE WHEN p.topic > ? OR p.topic = ? AND p.aggregate_id > ? THEN 0 ELSE 1 END,
			p.topic, p.aggregate_id LIMIT ?`,
		c.Name(), c.topics, database.At(now.Add(-patience)), database.At(now.Add(-beginning)), here,
		after.topic, after.topic, after.aggregate, headsAtOnce).Scan(&found).Error
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
	found, err := c.gaps(ctx, patience, patience, c.looked)
	if err != nil {
		return err
	}
	for _, g := range found {
		c.looked = key{g.Topic, g.AggregateID}
		passed, err := c.passDropped(ctx, g)
		if err != nil {
			return fmt.Errorf("pass what %s was not to have of %s %s: %w", c.Name(), g.Topic, g.AggregateID, err)
		}
		if passed {
			continue
		}
		for _, r := range b.sources {
			if err := c.closeGap(ctx, r.outbox, g, false); err != nil {
				return fmt.Errorf("close a gap of %s in %s %s: %w", c.Name(), g.Topic, g.AggregateID, err)
			}
		}
	}
	return nil
}

// goOn closes every gap of a consumer, because a person has asked for all that the logs
// have: what they have no more is nowhere, also where a transport brings events. What
// waits is applied here, for there may be a gap behind it; one behind what another
// instance is about to apply is left for the next replay.
func (b *Bus) goOn(ctx context.Context, c *Consumer) error {
	seen := map[gap]bool{}
	for after, looked := (key{}), false; ; {
		found, err := c.gaps(ctx, 0, 0, after)
		if err != nil {
			return err
		}
		more := false
		for _, g := range found {
			o := b.logOf(g.Topic)
			if seen[g] || o == nil { // its log is in another process
				continue
			}
			seen[g], after, more, looked = true, key{g.Topic, g.AggregateID}, true, true
			if err := c.closeGap(ctx, o, g, true); err != nil && !errors.Is(err, errMoved) { // by now it is no gap
				return fmt.Errorf("let %s go on in %s %s: %w", c.Name(), g.Topic, g.AggregateID, err)
			}
		}
		if more {
			continue
		}
		if !looked {
			return nil
		}
		looked = false
		for worked := true; worked; {
			if worked, err = b.retry(ctx, c); errors.Is(err, errMoved) {
				worked = true
			} else if err != nil {
				return err
			}
		}
	}
}

// closeGap applies what a log has of the missing events, and passes over what it has no
// more. Of an aggregate that is known, and whose events a transport brings, that is
// done only if asked for: what is not put off may come yet.
func (c *Consumer) closeGap(ctx context.Context, o *Outbox, g gap, asked bool) error {
	k := key{g.Topic, g.AggregateID}
	missing, err := o.between(ctx, k, max(g.Version, 0), g.Head)
	if err != nil {
		return err
	}
	first := g.Head
	if len(missing) > 0 {
		first = missing[0].Version
	}
	if known := g.Version >= 0; first > max(g.Version, 0)+1 && (asked || !known || !c.carried) {
		if err := c.startAt(ctx, o, k, g.Version, first, asked); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return c.process(ctx, missing, false)
}

// startAt passes over the events of an aggregate between what the consumer has and
// first, if the log proves that they existed and were dropped. If asked, o is the log of
// their publisher, and it proves it too by having dropped first and all before.
func (c *Consumer) startAt(ctx context.Context, o *Outbox, k key, has, first int64, asked bool) error {
	trimmed, err := o.trimmed(ctx)
	if err != nil || !trimmed {
		return err
	}
	here, err := o.between(ctx, k, first-1, first+1)
	if err != nil {
		return err
	}
	if len(here) == 0 {
		if !asked {
			return nil // the log of another source
		}
		older, err := o.between(ctx, k, 0, first)
		if err != nil || len(older) > 0 {
			return err
		}
	}
	if has >= 0 {
		c.log.WarnContext(ctx, "events were dropped before their cursor had moved: they had no effect here, or this consumer was away for longer than events are kept",
			"consumer", c.Name(), "topic", k.topic, "aggregate", k.aggregate, "after", has, "before", first)
	}
	unmoved := []clause.Expression{clause.Expr{SQL: "inbox_cursors.version = ? AND " + nothingBefore, Vars: []any{has}}}
	err = c.db.Atomic(ctx, func(ctx context.Context) error {
		return c.place(c.db.Conn(ctx), []base{{Topic: k.topic, AggregateID: k.aggregate, First: first}}, unmoved)
	})
	if err == nil {
		raise(c.wake)
	}
	return err
}

const (
	// A beginning that is not in this process's log is waited for so many times as
	// long as a gap: who publishes it may have lost its connection.
	patienceElsewhere = 12
	strangersAtOnce   = 10_000

	// LongestRest is how long a transport rests at most between two calls of Begin.
	LongestRest = 5 * time.Minute
	// beginTakes is for Begin itself: who rests so long had half a minute's work or more.
	beginTakes = 2 * time.Minute
)

// awaiting is a version that waits for an earlier one which the transport had kept.
type awaiting struct {
	head  int64
	since time.Time // the look that found it
}

// askAgain is how long such a find holds: what was kept then may be dropped since, and
// to ask is to read all that is kept.
const askAgain = time.Hour

// settling is how long it may take until it is decided with which version an aggregate
// begins whose log is in another process: only then somebody waits in vain.
func (c *Consumer) settling() time.Duration {
	return patienceElsewhere*c.GapPatience + LongestRest + beginTakes
}

// Begin lets aggregates of which the consumer never applied anything begin with the
// first version that waits, where their log is in another process and what the
// transport keeps has no earlier one: it was published before there was a transport,
// or is older than what is kept.
func (c *Consumer) Begin(ctx context.Context, kept Stream) error {
	c.beginning.Lock()
	defer c.beginning.Unlock()
	heads, err := c.strangers(ctx)
	if err != nil || len(heads) == 0 {
		return err
	}
	var topics []string
	for k := range heads {
		if !slices.Contains(topics, k.topic) {
			topics = append(topics, k.topic)
		}
	}
	err = kept(ctx, topics, func(page []Envelope) error {
		for _, e := range page {
			if head, waits := heads[e.key()]; waits && e.Version < head {
				dropped, err := c.dropped(ctx, e.key(), e.Version)
				if err != nil {
					return err
				}
				if dropped {
					continue
				}
				delete(heads, e.key())
				c.awaited[e.key()] = awaiting{head, c.now()} // it may lie among the dead letters
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var page []base
	for k, head := range heads {
		page = append(page, base{Topic: k.topic, AggregateID: k.aggregate, First: head})
	}
	slices.SortFunc(page, func(a, b base) int { // as cursors are stored, so that nobody deadlocks
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.AggregateID, b.AggregateID))
	})
	for part := range slices.Chunk(page, logPage) {
		err := c.db.Atomic(ctx, func(ctx context.Context) error { return c.place(c.db.Conn(ctx), part, unknownOnly) })
		if err != nil {
			return fmt.Errorf("let aggregates of %s begin: %w", c.Name(), err)
		}
	}
	if len(page) > 0 {
		c.log.WarnContext(ctx, "aggregates begin in the middle: what they began with is kept no more",
			"consumer", c.Name(), "aggregates", len(page), "topics", topics)
		raise(c.wake)
	}
	return nil
}

// strangers gives aggregates whose log is in another process, of which nothing was
// applied, and the lowest version that has waited for an earlier one for long. Those
// of which an earlier one was found a while ago are left out.
func (c *Consumer) strangers(ctx context.Context) (map[key]int64, error) {
	var elsewhere []string
	for _, t := range c.topics {
		if c.logOf(t) == nil {
			elsewhere = append(elsewhere, t)
		}
	}
	if len(elsewhere) == 0 {
		return nil, nil
	}
	var found []gap
	err := c.db.Conn(ctx).Raw(`SELECT p.topic, p.aggregate_id, MIN(p.version) AS head
		FROM inbox_pending AS p
		JOIN inbox_cursors AS c ON c.consumer = p.consumer AND c.topic = p.topic AND c.aggregate_id = p.aggregate_id
		WHERE p.consumer = ? AND p.topic IN ? AND p.state <> 'dropped' AND c.version < 0
		GROUP BY p.topic, p.aggregate_id
		HAVING MIN(p.version) > 1 AND MIN(p.first_seen) <= ?
		ORDER BY p.topic, p.aggregate_id LIMIT ?`,
		c.Name(), elsewhere, database.At(c.now().Add(-patienceElsewhere*c.GapPatience)), strangersAtOnce).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("look for aggregates that %s never met: %w", c.Name(), err)
	}
	maps.DeleteFunc(c.awaited, func(_ key, a awaiting) bool { return c.now().Sub(a.since) >= askAgain })
	heads := map[key]int64{}
	for _, g := range found {
		k := key{g.Topic, g.AggregateID}
		if c.awaited[k].head != g.Head {
			heads[k] = g.Head
		}
	}
	return heads, nil
}
