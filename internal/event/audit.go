package event

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/database"
)

const (
	underWay   = time.Minute // an unsent or waiting event younger than this is on its way: a broker that starts anew takes as long
	mostOfThem = 100         // findings of one kind that are worth reading
)

// Checks are the conservation rules of events, over all sources and consumers.
func (b *Bus) Checks() []audit.Check {
	return []audit.Check{
		{Rule: "events.outbox_is_empty", Says: "Every recorded event was brought to all who listen.", Run: b.auditSources},
		{Rule: "events.nothing_parked", Says: "No event waits for a person.", Run: b.auditParked},
		{Rule: "events.no_gap", Says: "No event waits for an earlier one that never came.", Run: b.auditGaps},
		{Rule: "events.nothing_forgotten", Says: "Nobody has applied more events of anything than the log of their publisher holds.", Run: b.auditForgotten},
	}
}

func (b *Bus) auditSources(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for _, r := range b.sources {
		o := r.outbox
		s, err := o.stats(ctx)
		if err != nil {
			return examined, err
		}
		examined += int(s.Unsent)
		var late []row
		err = o.db.Conn(ctx).Where("sent_at IS NULL AND recorded_at < ?", database.At(o.now().Add(-underWay))).
			Order("recorded_at").Limit(mostOfThem).Find(&late).Error
		if err != nil {
			return examined, fmt.Errorf("read late events of %s: %w", o.Module(), err)
		}
		for _, e := range late {
			report(e.Topic+" "+e.AggregateID, fmt.Sprintf("event %s (%s, version %d) was recorded by %s at %s and not sent yet",
				e.ID, e.Type, e.Version, o.Module(), e.RecordedAt.Format(time.RFC3339)))
		}
	}
	return examined, nil
}

func (b *Bus) auditParked(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for _, c := range b.consumers {
		s, err := c.stats(ctx)
		if err != nil {
			return examined, err
		}
		examined += int(s.Pending + s.Parked)
		var parked []pending
		err = c.db.Conn(ctx).Where("consumer = ? AND state = ?", c.Name(), stateParked).
			Order("first_seen").Limit(mostOfThem).Find(&parked).Error
		if err != nil {
			return examined, fmt.Errorf("read parked events of %s: %w", c.Name(), err)
		}
		for _, p := range parked {
			report(p.Topic+" "+p.AggregateID, fmt.Sprintf("event %s is parked at %s after %d attempts: %s", p.EventID, c.Name(), p.Attempts, p.Reason))
		}
		var others []pending
		err = c.db.Conn(ctx).Where("consumer = ? AND state = ? AND topic NOT IN ? AND first_seen < ?",
			c.Name(), statePending, c.topics, database.At(c.now().Add(-underWay))).
			Order("first_seen").Limit(mostOfThem).Find(&others).Error
		if err != nil {
			return examined, fmt.Errorf("read what waits for another version of %s: %w", c.Name(), err)
		}
		for _, p := range others {
			report(p.Topic+" "+p.AggregateID, fmt.Sprintf("event %s waits at %s, which does not listen to its topic in this version: run one that does, or drop it with app events dead drop",
				p.EventID, c.Name()))
		}
	}
	return examined, nil
}

func (b *Bus) auditGaps(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for _, c := range b.consumers {
		found, err := c.gaps(ctx, underWay, c.settling(), key{})
		if err != nil {
			return examined, err
		}
		examined += len(found)
		for _, g := range found {
			detail := fmt.Sprintf("%s has version %d and waits for the next one, but got version %d", c.Name(), max(g.Version, 0), g.Head)
			if g.Version < 0 && c.carried && c.logOf(g.Topic) == nil { // whoever runs it decides, and nobody may have
				detail += fmt.Sprintf("; if %s was away until just now, it may still begin with that: look again", c.Name())
			}
			report(g.Topic+" "+g.AggregateID, detail)
		}
	}
	return examined, nil
}
