package event

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
)

// clocksDiffer is by how much the clocks of instances may be apart, which make ids and
// say when events were recorded.
const clocksDiffer = time.Minute

// auditForgotten looks for modules whose data is older than that of others: restored
// from an older copy, or lost. What others have applied was in the log before, so their
// cursors are read first: an event that comes meanwhile is no finding. Where a log is in
// another process nothing can be said.
func (b *Bus) auditForgotten(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for _, c := range b.consumers {
		found := map[string]int{} // by publisher
		err := c.eachMet(ctx, func(page []cursor) error {
			all := byTopic(page)
			for _, topic := range slices.Sorted(maps.Keys(all)) {
				met, o := all[topic], b.logOf(topic)
				if o == nil {
					continue
				}
				lost, err := o.forgotten(ctx, topic, met)
				if err != nil {
					return err
				}
				examined += len(met)
				for _, l := range lost {
					if found[o.Module()]++; found[o.Module()] <= mostOfThem {
						report(topic+" "+l.AggregateID, l.detail(o.Module(), c.Name()))
					}
				}
			}
			audit.Looked(ctx, examined)
			return nil
		})
		if err != nil {
			return examined, err
		}
		for _, module := range slices.Sorted(maps.Keys(found)) {
			if more := found[module] - mostOfThem; more > 0 {
				report(module, fmt.Sprintf("it has forgotten %d more that %s knows", more, c.Name()))
			}
		}
	}
	return examined, nil
}

// forgotten is an aggregate of which its publisher's log holds less than was applied.
type forgotten struct {
	AggregateID   string
	Applied, Held int64 // versions; none is held where that is 0
}

func (f forgotten) detail(publisher, consumer string) string {
	held := "nothing of it"
	if f.Held > 0 {
		held = fmt.Sprintf("version %d at most", f.Held)
	}
	return fmt.Sprintf("%s has forgotten it: %s has applied version %d, the log of %s holds %s; the data of %s was lost, or is older than that of %s: "+
		"stop the shop, and restore the newest copy of %s, or copies of all modules from one moment",
		publisher, consumer, f.Applied, publisher, held, publisher, consumer, publisher)
}

// eachMet gives the cursors of aggregates of which something was applied to fn, page by
// page in the order of the table's key.
func (c *Consumer) eachMet(ctx context.Context, fn func([]cursor) error) error {
	var last key
	for {
		var page []cursor
		err := c.db.Conn(ctx).Raw(`SELECT topic, aggregate_id, version FROM inbox_cursors
			WHERE (aggregate_id, topic) > (?, ?) AND consumer = ? AND version > 0
			ORDER BY aggregate_id, topic LIMIT ?`, last.aggregate, last.topic, c.Name(), logPage).Scan(&page).Error
		if err != nil {
			return fmt.Errorf("read the cursors of %s: %w", c.Name(), err)
		}
		if len(page) == 0 {
			return nil
		}
		last = key{page[len(page)-1].Topic, page[len(page)-1].AggregateID}
		if err := fn(page); err != nil {
			return err
		}
	}
}

func byTopic(page []cursor) map[string][]cursor {
	all := map[string][]cursor{}
	for _, c := range page {
		all[c.Topic] = append(all[c.Topic], c)
	}
	return all
}

// forgotten gives those aggregates of a topic of which the log holds less than was
// applied, though retention cannot have dropped it: that drops whatever was recorded
// before an instant, and leaves the last event of each aggregate where it is kept.
func (o *Outbox) forgotten(ctx context.Context, topic string, met []cursor) ([]forgotten, error) {
	held, err := o.highest(ctx, topic, met)
	if err != nil {
		return nil, err
	}
	var less []forgotten
	for _, c := range met {
		if v := held[c.AggregateID]; v < c.Version {
			less = append(less, forgotten{c.AggregateID, c.Version, v})
		}
	}
	if len(less) == 0 || slices.Contains(o.kept, topic) {
		return less, nil
	}
	before, err := o.trimmedBefore(ctx) // after the log was read: what was dropped meanwhile is in it
	if err != nil {
		return nil, fmt.Errorf("read the retention of %s: %w", o.Module(), err)
	}
	if before.IsZero() {
		return less, nil
	}
	var lost []forgotten
	for _, f := range less {
		since, err := o.followedSince(ctx, topic, f)
		if err != nil {
			return nil, err
		}
		if since.After(before.Add(clocksDiffer)) {
			lost = append(lost, f)
		}
	}
	return lost, nil
}

// followedSince gives the instant before which nothing of what the log does not hold can
// have been recorded: that of the event before it, or when the aggregate's id was made.
// It is the zero time where neither tells.
func (o *Outbox) followedSince(ctx context.Context, topic string, f forgotten) (time.Time, error) {
	if f.Held == 0 {
		made, _ := id.Made(f.AggregateID)
		return made, nil
	}
	var last struct{ RecordedAt database.Time }
	err := o.db.Conn(ctx).Raw(`SELECT recorded_at FROM outbox WHERE topic = ? AND aggregate_id = ? AND version = ?`,
		topic, f.AggregateID, f.Held).Scan(&last).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) { // dropped meanwhile
		return time.Time{}, fmt.Errorf("read the event log of %s: %w", o.Module(), err)
	}
	return last.RecordedAt.Time, nil
}

// Both look up one entry of the index for each aggregate, however many events it has.
const (
	highestSQLite = `SELECT a.value AS aggregate_id,
		(SELECT MAX(e.version) FROM outbox AS e WHERE e.topic = ? AND e.aggregate_id = a.value) AS version FROM json_each(?) AS a`
	highestPostgres = `SELECT a.aggregate_id,
		(SELECT MAX(e.version) FROM outbox AS e WHERE e.topic = ? AND e.aggregate_id = a.aggregate_id) AS version
		FROM unnest(CAST(? AS text[])) AS a (aggregate_id)`
)

// highest gives the highest version that the log holds of each aggregate; nothing where
// it holds none.
func (o *Outbox) highest(ctx context.Context, topic string, met []cursor) (map[string]int64, error) {
	aggregates := make([]string, len(met))
	for i, c := range met {
		aggregates[i] = c.AggregateID
	}
	text := highestSQLite
	if o.db.Dialect() == database.Postgres {
		text = highestPostgres
	}
	var found []struct {
		AggregateID string
		Version     *int64
	}
	if err := o.db.Conn(ctx).Raw(text, topic, o.db.List(aggregates)).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read the event log of %s: %w", o.Module(), err)
	}
	held := make(map[string]int64, len(found))
	for _, f := range found {
		if f.Version != nil {
			held[f.AggregateID] = *f.Version
		}
	}
	return held, nil
}
