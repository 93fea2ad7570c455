package event

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
// before, or missed, from the logs of the sources. New events reach it at the same time and
// wait for their turn. After a crash in the middle it starts again, and the
// cursors recognise what was applied.
//
// If more is to be missed, because the relay of an older version may not know yet that
// somebody listens, that is noted, and once it knows the logs are read again.
func (b *Bus) register(ctx context.Context, c *Consumer, more bool) error {
	fresh, notes, err := c.behind(ctx)
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
	if !more {
		return c.register(ctx, fresh, notes)
	}
	if err := c.miss(ctx, fresh); err != nil {
		return err
	}
	return c.register(ctx, fresh, nil)
}

// besideOthers tells whether relays of other versions may run beside this one's. A
// broker's queues are shared in another way, and a file of SQLite has one process.
func (c *Consumer) besideOthers() bool { return !c.carried && c.db.Dialect() == database.Postgres }

// otherTopics gives the topics that only another version of the consumer listens to, as
// they were at most LookAgain ago: whoever begins to listen reads the logs again later
// than that.
func (c *Consumer) otherTopics(ctx context.Context) ([]string, error) {
	if !c.besideOthers() {
		return nil, nil
	}
	c.looking.Lock()
	defer c.looking.Unlock()
	if !c.othersAt.IsZero() && c.now().Sub(c.othersAt) < c.LookAgain {
		return c.others, nil
	}
	now := c.now()
	var found []string
	err := c.db.Conn(ctx).Model(&registration{}).Where("consumer = ? AND topic NOT IN ?", c.Name(), c.topics).Pluck("topic", &found).Error
	if err != nil {
		return nil, fmt.Errorf("read what other versions of %s listen to: %w", c.Name(), err)
	}
	c.others, c.othersAt = found, now
	return found, nil
}

// Stream gives what a transport keeps of the modules that publish topics to fn, page
// by page; events of other topics may be among them.
type Stream func(ctx context.Context, topics []string, fn func([]Envelope) error) error

// CatchUp brings a consumer that a transport feeds up to date with the topics that are
// Unregistered: from the logs of this process, and from what the transport keeps where
// they are elsewhere. What is published from now on must reach it already, and may at
// the same time.
func (c *Consumer) CatchUp(ctx context.Context, kept Stream) error {
	fresh, notes, err := c.behind(ctx)
	if err != nil || len(fresh) == 0 {
		return err
	}
	if b := c.bus; b != nil {
		b.running.Add(1)
		defer b.running.Add(-1)
		defer b.moves.Add(1)
	}
	var elsewhere []string
	for _, topic := range fresh {
		o := c.logOf(topic)
		if o == nil {
			elsewhere = append(elsewhere, topic)
			continue
		}
		if err := c.catchUp(ctx, o, []string{topic}); err != nil {
			return fmt.Errorf("catch up %s with the log of %s: %w", c.Name(), o.Module(), err)
		}
	}
	if len(elsewhere) > 0 {
		if err := kept(ctx, elsewhere, func(page []Envelope) error { return c.deliver(ctx, c.mine(page)) }); err != nil {
			return err
		}
	}
	return c.register(ctx, fresh, notes)
}

// logOf gives the log of the module that publishes a topic, whose name begins with the
// module's wherever events are transported; nil where it is not in this process.
func (c *Consumer) logOf(topic string) *Outbox {
	if c.bus == nil {
		return nil
	}
	return c.bus.logOf(topic)
}

func (b *Bus) logOf(topic string) *Outbox {
	module, _, _ := strings.Cut(topic, ".")
	for _, r := range b.sources {
		if r.outbox.Module() == module {
			return r.outbox
		}
	}
	return nil
}

// Unregistered gives the topics of which the consumer may not have seen all there was.
func (c *Consumer) Unregistered(ctx context.Context) ([]string, error) {
	fresh, _, err := c.behind(ctx)
	return fresh, err
}

// missed says that a topic was missed.
type missed struct {
	Consumer string
	Topic    string
	Times    int64
}

// TableName tells gorm where they live.
func (missed) TableName() string { return "inbox_missed" }

// behind gives the topics of which the consumer may not have seen all there was, and
// what is noted of those that it missed.
func (c *Consumer) behind(ctx context.Context) (fresh []string, notes []missed, err error) {
	var known []string
	conn := c.db.Conn(ctx)
	err = conn.Model(&registration{}).Where("consumer = ?", c.Name()).Pluck("topic", &known).Error
	if err == nil {
		err = conn.Where("consumer = ? AND topic IN ?", c.Name(), c.topics).Find(&notes).Error
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what %s listens to: %w", c.Name(), err)
	}
	for _, t := range c.topics {
		if !slices.Contains(known, t) || slices.ContainsFunc(notes, func(m missed) bool { return m.Topic == t }) {
			fresh = append(fresh, t)
		}
	}
	return fresh, notes, nil
}

// register notes that the consumer has seen all there was of topics, but for what was
// missed again since.
func (c *Consumer) register(ctx context.Context, topics []string, notes []missed) error {
	now := database.At(c.now())
	rows := make([]registration, len(topics))
	for i, t := range topics {
		rows[i] = registration{Consumer: c.Name(), Topic: t, RegisteredAt: now}
	}
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		for _, m := range notes {
			err := c.db.Conn(ctx).Where("consumer = ? AND topic = ? AND times = ?", m.Consumer, m.Topic, m.Times).Delete(&missed{}).Error
			if err != nil {
				return err
			}
		}
		return c.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
	})
	if err != nil {
		return fmt.Errorf("register %s: %w", c.Name(), err)
	}
	return nil
}

// miss notes topics that another version of the consumer may listen to: the queue that
// both share, or the relay here, brings their events, and here they are taken over
// without an effect.
func (c *Consumer) miss(ctx context.Context, topics []string) error {
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		for _, t := range topics {
			err := c.db.Conn(ctx).Exec(`INSERT INTO inbox_missed (consumer, topic, times) VALUES (?, ?, 1)
				ON CONFLICT (consumer, topic) DO UPDATE SET times = inbox_missed.times + 1`, c.Name(), t).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what %s does not listen to: %w", c.Name(), err)
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

// nothingBefore is a condition for place: nothing waits that the cursor would step over.
const nothingBefore = `NOT EXISTS (
	SELECT 1 FROM inbox_pending AS p WHERE p.consumer = excluded.consumer AND p.topic = excluded.topic
	AND p.aggregate_id = excluded.aggregate_id AND p.state <> 'dropped' AND p.version <= excluded.version)`

// unknownOnly is a condition for place: of cursors that are there, those of aggregates
// of which nothing was applied, and nothing waits that the cursor would step over.
var unknownOnly = []clause.Expression{clause.Expr{SQL: `inbox_cursors.version < 0 AND ` + nothingBefore}}

func (c *Consumer) catchUp(ctx context.Context, o *Outbox, topics []string) error {
	trimmed, err := o.trimmed(ctx)
	if err != nil {
		return err
	}
	if trimmed { // aggregates whose beginning is gone start with what is left
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
