package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// ErrLogAway is the refusal to replay a part of what a consumer listens to.
var ErrLogAway = errors.New("a log that it needs is not in this process")

// Replay delivers the events since an instant to one consumer again, from the
// logs of all sources, so that a read model can be rebuilt: empty its tables
// first. The consumer's cursors go back to before the first of these events;
// aggregates without such events are left alone, and so are those that have not come
// so far: what is older waits there, or for a person. Where since is zero, those of them
// for which nothing older waits go on with the first that the log has, and what waits
// for an event that is nowhere any more goes on without it. New events
// meanwhile wait for their turn. progress, if not nil, is told how far it is. It may be repeated
// after a crash. It returns how many events were delivered. A consumer that has a
// Rebuild is replayed into what that makes: its tables stay, and serve meanwhile; what
// waits in its inbox goes on as well.
// It is ErrLogAway where this process has not every log that the consumer needs: from
// a part a read model with holes would be made. Codes: NotFound for a consumer that is
// not there.
func (b *Bus) Replay(ctx context.Context, consumer string, since time.Time, progress func(done, total int64)) (int64, error) {
	c := b.Consumer(consumer)
	if c == nil {
		return 0, fault.NotFound.Errorf("no consumer is called %q", consumer)
	}
	if away := b.away(c); len(away) > 0 {
		return 0, fmt.Errorf("replay to %s: %w: that of %s; run this where these modules run as well (the setting modules)",
			consumer, ErrLogAway, strings.Join(away, ", "))
	}
	if c.Rebuild != nil {
		done, err := b.rebuild(ctx, c, since, progress)
		if err == nil && since.IsZero() {
			err = b.goOn(ctx, c)
		}
		return done, err
	}
	var done, total int64
	for _, r := range b.sources {
		n, err := r.outbox.count(ctx, c.topics, since)
		if err != nil {
			return 0, err
		}
		total += n
		err = r.outbox.bases(ctx, c.topics, since, func(page []base) error { return c.rewind(ctx, page, since.IsZero()) })
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
	if since.IsZero() {
		if err := b.goOn(ctx, c); err != nil {
			return done, err
		}
	}
	raise(c.wake)
	return done, nil
}

// away are the modules that c listens to and whose logs are not among the sources. A
// topic begins with the module that publishes it.
func (b *Bus) away(c *Consumer) []string {
	var modules []string
	for _, topic := range c.topics {
		owner, _, _ := strings.Cut(topic, ".")
		if !slices.ContainsFunc(b.sources, func(r *relay) bool { return r.outbox.Module() == owner }) {
			modules = append(modules, owner)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules)
}

// rewind sets cursors back to before the given events, and empties the inbox of
// these aggregates: what waits there comes again. Cursors that stand before that
// already stay where they are, with all that waits. Only where these are all the events
// that the log has, an aggregate that was never met begins in its middle, and a known
// one whose next events are not in the inbox either goes on there: they are nowhere,
// unless a transport has kept them for longer than the log.
func (c *Consumer) rewind(ctx context.Context, page []base, all bool) error {
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		at, err := c.standing(conn, page)
		if err != nil {
			return err
		}
		waits, err := c.waiting(conn, page)
		if err != nil {
			return err
		}
		var back, on []base
		var aggregates []string
		for _, p := range page {
			version, met := at[p.AggregateID]
			head, some := waits[p.AggregateID]
			switch {
			case met && max(version, 0) >= p.First-1 || !met && all:
				back = append(back, p)
			case all && (!some || head >= p.First):
				on = append(on, p)
			default:
				continue
			}
			aggregates = append(aggregates, p.AggregateID)
		}
		if len(back) > 0 {
			passed := []clause.Expression{clause.Expr{SQL: "inbox_cursors.version >= excluded.version"}}
			if err := c.place(conn, back, passed); err != nil {
				return err
			}
		}
		if len(on) > 0 {
			before := []clause.Expression{clause.Expr{SQL: "inbox_cursors.version < excluded.version"}}
			if err := c.place(conn, on, before); err != nil {
				return err
			}
		}
		if len(aggregates) == 0 {
			return nil
		}
		err = conn.Where("consumer = ? AND topic = ? AND aggregate_id IN ? AND state <> ?",
			c.Name(), page[0].Topic, aggregates, stateDropped).Delete(&pending{}).Error
		if err != nil {
			return err
		}
		// What was dropped is left, and is to be seen when its turn comes.
		return conn.Exec(`UPDATE inbox_cursors SET blocked = ?
			WHERE consumer = ? AND topic = ? AND aggregate_id IN ? AND `+somethingWaits,
			true, c.Name(), page[0].Topic, aggregates).Error
	})
	if err != nil {
		return fmt.Errorf("set back the cursors of %s: %w", c.Name(), err)
	}
	return nil
}

func aggregatesOf(page []base) []string {
	aggregates := make([]string, len(page))
	for i, p := range page {
		aggregates[i] = p.AggregateID
	}
	return aggregates
}

// waiting gives the lowest version that waits of each aggregate of a page, which are of
// one topic.
func (c *Consumer) waiting(conn *gorm.DB, page []base) (map[string]int64, error) {
	var found []gap
	err := conn.Raw(`SELECT aggregate_id, MIN(version) AS head FROM inbox_pending
		WHERE consumer = ? AND topic = ? AND aggregate_id IN ? AND state <> 'dropped' GROUP BY aggregate_id`,
		c.Name(), page[0].Topic, aggregatesOf(page)).Scan(&found).Error
	if err != nil {
		return nil, err
	}
	heads := make(map[string]int64, len(found))
	for _, f := range found {
		heads[f.AggregateID] = f.Head
	}
	return heads, nil
}

// standing locks the cursors of the aggregates of a page, which are of one topic, and
// gives their versions.
func (c *Consumer) standing(conn *gorm.DB, page []base) (map[string]int64, error) {
	if c.db.Dialect() == database.Postgres { // SQLite has one writer at a time anyway
		conn = conn.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var found []cursor
	err := conn.Where("consumer = ? AND topic = ? AND aggregate_id IN ?", c.Name(), page[0].Topic, aggregatesOf(page)).
		Order("aggregate_id").Find(&found).Error
	if err != nil {
		return nil, err
	}
	at := make(map[string]int64, len(found))
	for _, f := range found {
		at[f.AggregateID] = f.Version
	}
	return at, nil
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
