package event

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
)

const (
	unknown = -1 // version of a cursor: nothing was applied yet, and an event waits
	absent  = -2 // previous version of a cursor that was not there
)

// errMoved tells that somebody else applied events of the same aggregate meanwhile.
var errMoved = errors.New("the cursor was moved by somebody else")

// cursor remembers the highest version applied of one aggregate: what is not
// above it is a duplicate. This memory never forgets and does not grow with events.
type cursor struct {
	Consumer    string
	Topic       string
	AggregateID string
	Version     int64
	Previous    int64
	Blocked     bool // events wait; only a hint, the table inbox_pending is the truth

	touched bool
}

// TableName tells gorm where cursors live.
func (cursor) TableName() string { return "inbox_cursors" }

// next tells whether version is the one to apply now.
func (c *cursor) next(version int64) bool {
	return version == max(c.Version, 0)+1
}

func (c *cursor) duplicate(version int64) bool { return version <= c.Version }

func (c *cursor) advance(version int64) { c.Version, c.touched = version, true }

func (c *cursor) block() {
	if !c.Blocked {
		c.Blocked, c.touched = true, true
	}
}

type cursors map[key]*cursor

// cursorsOf reads the cursors of the aggregates that events are about, in one query.
func (c *Consumer) cursorsOf(conn *gorm.DB, events []Envelope) (cursors, error) {
	topics, aggregates := subjects(events)
	var found []cursor
	err := conn.Model(&cursor{}).
		Where("consumer = ? AND topic IN ? AND aggregate_id IN ?", c.Name(), topics, aggregates).
		Find(&found).Error
	if err != nil {
		return nil, err
	}
	all := make(cursors, len(aggregates))
	for i := range found {
		f := &found[i]
		f.Previous = f.Version
		all[key{f.Topic, f.AggregateID}] = f
	}
	for _, e := range events {
		if all[e.key()] == nil {
			all[e.key()] = &cursor{
				Consumer: c.Name(), Topic: e.Topic, AggregateID: e.AggregateID, Version: unknown, Previous: absent,
			}
		}
	}
	return all, nil
}

func subjects(events []Envelope) (topics, aggregates []string) {
	for _, e := range events {
		topics, aggregates = append(topics, e.Topic), append(aggregates, e.AggregateID)
	}
	slices.Sort(topics)
	slices.Sort(aggregates)
	return slices.Compact(topics), slices.Compact(aggregates)
}

// store writes the cursors that were touched, in one statement that does nothing
// to a cursor which is not where it was read. errMoved if there is one.
func (all cursors) store(ctx context.Context, conn *gorm.DB) error {
	rows, values := all.written()
	if len(rows) == 0 {
		return nil
	}
	stored := conn.WithContext(ctx).Exec(storing(len(rows), "excluded.version")+` WHERE inbox_cursors.version = excluded.previous`, values...)
	if stored.Error != nil {
		return stored.Error
	}
	if stored.RowsAffected != int64(len(rows)) {
		return errMoved
	}
	return nil
}

// storeLast is store for the last statement of a transaction. PostgreSQL gets it together
// with the commit: a cursor that is not where it was read gets a version that the table
// refuses, so nothing is committed then.
func (all cursors) storeLast(ctx context.Context, db *database.DB) error {
	if db.Dialect() != database.Postgres {
		return all.store(ctx, db.Conn(ctx))
	}
	rows, values := all.written()
	if len(rows) == 0 {
		return nil
	}
	err := db.Last(ctx).Exec(storing(len(rows), "CASE WHEN inbox_cursors.version = excluded.previous THEN excluded.version END"), values...).Error
	if database.NullRefused(err, cursor{}.TableName(), "version") {
		return errMoved
	}
	return err
}

// written gives the cursors that were touched, and their columns.
func (all cursors) written() (rows []*cursor, values []any) {
	for _, c := range all {
		if c.touched {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, func(a, b *cursor) int { // one order for all, so that nobody deadlocks
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.AggregateID, b.AggregateID))
	})
	values = make([]any, 0, 6*len(rows))
	for _, c := range rows {
		values = append(values, c.Consumer, c.Topic, c.AggregateID, c.Version, c.Previous, c.Blocked)
	}
	return rows, values
}

// storing is the statement that writes n cursors, of which those that are there get
// version.
func storing(n int, version string) string {
	return `INSERT INTO inbox_cursors (consumer, topic, aggregate_id, version, previous, blocked)
		VALUES (?, ?, ?, ?, ?, ?)` + strings.Repeat(`, (?, ?, ?, ?, ?, ?)`, n-1) + `
		ON CONFLICT (consumer, topic, aggregate_id) DO UPDATE SET version = ` + version + `, previous = excluded.previous,
			blocked = inbox_cursors.blocked OR excluded.blocked`
}
