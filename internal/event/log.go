package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
)

// Filter chooses events of a log. Zero fields choose all.
type Filter struct {
	Topic, Type, AggregateID string
	Since, Until             time.Time // recorded at or after; before
	Before                   string    // event id: the page after the one that ended with it
	Limit                    int       // 100 unless set, at most 1,001: a page, and whether there is another
}

// Logged is an event of the log.
type Logged struct {
	Envelope
	SentAt *time.Time `json:"sentat,omitempty"` // nil: not relayed yet
}

// List reads the event log, newest first.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Logged, error) {
	limit := min(f.Limit, 1001)
	if limit <= 0 {
		limit = 100
	}
	q := o.db.Conn(ctx).Order("id DESC").Limit(limit)
	for column, value := range map[string]string{"topic": f.Topic, "type": f.Type, "aggregate_id": f.AggregateID} {
		if value != "" {
			q = q.Where(map[string]any{column: value})
		}
	}
	if !f.Since.IsZero() {
		q = q.Where("recorded_at >= ?", database.At(f.Since))
	}
	if !f.Until.IsZero() {
		q = q.Where("recorded_at < ?", database.At(f.Until))
	}
	if f.Before != "" {
		q = q.Where("id < ?", f.Before)
	}
	var rows []row
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list the events of %s: %w", o.Module(), err)
	}
	list := make([]Logged, len(rows))
	for i, r := range rows {
		list[i] = Logged{Envelope: r.envelope(o.Module()), SentAt: r.SentAt.Ptr()}
	}
	return list, nil
}

const logPage = 1000

// read gives the events of topics recorded since an instant to fn, page by page.
// What is committed late, with an id that was passed already, is not sent yet
// and comes through the relay.
func (o *Outbox) read(ctx context.Context, topics []string, since time.Time, fn func([]Envelope) error) error {
	last := ""
	for {
		var rows []row
		err := o.db.Conn(ctx).Where("id > ? AND topic IN ? AND recorded_at >= ?", last, topics, instant(since)).
			Order("id").Limit(logPage).Find(&rows).Error
		if err != nil {
			return fmt.Errorf("read the event log of %s: %w", o.Module(), err)
		}
		if len(rows) == 0 {
			return nil
		}
		last = rows[len(rows)-1].ID
		if err := fn(inOrder(rows, o.Module())); err != nil {
			return err
		}
		if len(rows) < logPage {
			return nil
		}
	}
}

// count how many events of topics were recorded since an instant.
func (o *Outbox) count(ctx context.Context, topics []string, since time.Time) (int64, error) {
	var n int64
	err := o.db.Conn(ctx).Model(&row{}).Where("topic IN ? AND recorded_at >= ?", topics, instant(since)).Count(&n).Error
	return n, err
}

// base is the first version of an aggregate in a part of the log.
type base struct {
	Topic       string
	AggregateID string
	First       int64
}

// bases gives the first version of each aggregate since an instant to fn, page by page.
func (o *Outbox) bases(ctx context.Context, topics []string, since time.Time, fn func([]base) error) error {
	for _, topic := range slices.Sorted(slices.Values(topics)) {
		last := ""
		for {
			var page []base
			err := o.db.Conn(ctx).Raw(`SELECT topic, aggregate_id, MIN(version) AS first FROM outbox
				WHERE topic = ? AND aggregate_id > ? AND recorded_at >= ?
				GROUP BY topic, aggregate_id ORDER BY aggregate_id LIMIT ?`,
				topic, last, instant(since), logPage).Scan(&page).Error
			if err != nil {
				return fmt.Errorf("read the event log of %s: %w", o.Module(), err)
			}
			if len(page) == 0 {
				break
			}
			last = page[len(page)-1].AggregateID
			if err := fn(page); err != nil {
				return err
			}
		}
	}
	return nil
}

// between reads the events of one aggregate with versions after from and before to.
func (o *Outbox) between(ctx context.Context, k key, from, to int64) ([]Envelope, error) {
	var rows []row
	err := o.db.Conn(ctx).Where("topic = ? AND aggregate_id = ? AND version > ? AND version < ?", k.topic, k.aggregate, from, to).
		Order("version").Limit(logPage).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read the event log of %s: %w", o.Module(), err)
	}
	return inOrder(rows, o.Module()), nil
}

// trimmed tells whether retention has dropped a part of the log.
func (o *Outbox) trimmed(ctx context.Context) (bool, error) {
	before, err := o.trimmedBefore(ctx)
	return !before.IsZero(), err
}

// trimmedBefore gives the instant before which retention has dropped events; the zero
// time where it has dropped none.
func (o *Outbox) trimmedBefore(ctx context.Context) (time.Time, error) {
	var mark struct{ Before database.Time }
	err := o.db.Conn(ctx).Raw(`SELECT before FROM outbox_trimmed LIMIT 1`).Scan(&mark).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = nil
	}
	return mark.Before.Time, err
}

// instant is t for a query; the zero time, which rows hold as null, is long ago.
func instant(t time.Time) database.Time {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return database.At(t)
}
