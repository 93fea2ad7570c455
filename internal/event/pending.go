package event

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
)

// States of an event that could not be applied when it came.
const (
	statePending = "pending" // waits for its turn, or for the next attempt
	stateParked  = "parked"  // failed too often: a person decides
	stateDropped = "dropped" // a person gave it up; kept as the record of that
)

const (
	firstBackOff = 200 * time.Millisecond
	longBackOff  = 5 * time.Minute
)

// pending is an event in the inbox that was not applied yet.
type pending struct {
	Consumer      string
	EventID       string
	Topic         string
	AggregateID   string
	Version       int64
	Envelope      string
	State         string
	Attempts      int
	NextAttemptAt database.Time
	Reason        string
	FirstSeen     database.Time
}

// TableName tells gorm where pending events live.
func (pending) TableName() string { return "inbox_pending" }

func (c *Consumer) newPending(e Envelope) (pending, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return pending{}, fmt.Errorf("keep an event: %w", err)
	}
	now := database.At(c.now())
	return pending{
		Consumer: c.Name(), EventID: e.ID, Topic: e.Topic, AggregateID: e.AggregateID, Version: e.Version,
		Envelope: string(body), State: statePending, NextAttemptAt: now, FirstSeen: now,
	}, nil
}

// wait keeps events that came before their turn.
func (c *Consumer) wait(conn *gorm.DB, early []Envelope) error {
	rows := make([]pending, 0, len(early))
	for _, e := range early {
		p, err := c.newPending(e)
		if err != nil {
			return err
		}
		rows = append(rows, p)
	}
	return conn.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
}

// keptOf tells which events of a batch are in the inbox already, and which were given
// up there before a replay. Only those of blocked aggregates can be.
func (c *Consumer) keptOf(conn *gorm.DB, batch []Envelope, all cursors) (kept, dropped map[string]bool, err error) {
	var asked []string
	for _, e := range batch {
		if all[e.key()].Blocked {
			asked = append(asked, e.ID)
		}
	}
	if len(asked) == 0 {
		return nil, nil, nil
	}
	var rows []pending
	err = conn.Select("event_id", "state").Where("consumer = ?", c.Name()).
		Where(c.db.Among("event_id"), c.db.List(asked)).Find(&rows).Error
	if err != nil {
		return nil, nil, err
	}
	kept, dropped = map[string]bool{}, map[string]bool{}
	for _, p := range rows {
		if p.State == stateDropped {
			dropped[p.EventID] = true
		} else {
			kept[p.EventID] = true
		}
	}
	return kept, dropped, nil
}

// keep records that e failed, with the next attempt after a back-off, or parks
// it after the last one. Events of its aggregate wait behind it.
func (c *Consumer) keep(ctx context.Context, e Envelope, cause error) error {
	parked := false
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		all, err := c.cursorsOf(conn, []Envelope{e})
		if err != nil {
			return err
		}
		cur := all[e.key()]
		if cur.duplicate(e.Version) {
			return c.forget(conn, []Envelope{e}, all)
		}
		p, err := c.newPending(e)
		if err != nil {
			return err
		}
		var before []int
		err = conn.Model(&pending{}).Where("consumer = ? AND event_id = ?", c.Name(), e.ID).Pluck("attempts", &before).Error
		if err != nil {
			return err
		}
		p.Attempts = 1
		if len(before) > 0 {
			p.Attempts += before[0]
		}
		p.Reason = storable(cause.Error())
		p.NextAttemptAt = database.At(c.now().Add(backOff(p.Attempts)))
		if parked = p.Attempts >= c.MaxAttempts; parked {
			p.State = stateParked
		}
		cur.block()
		if err := all.store(ctx, conn); err != nil {
			return err
		}
		return conn.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "consumer"}, {Name: "event_id"}},
			DoUpdates: clause.AssignmentColumns([]string{"state", "attempts", "next_attempt_at", "reason"}),
			Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "inbox_pending.state <> ?", Vars: []any{stateDropped}}}},
		}).Create(&p).Error
	})
	if err != nil {
		return fmt.Errorf("keep event %s for later: %w", e.ID, err)
	}
	c.metrics.fail(c.Name(), parked)
	c.log.WarnContext(ctx, "event failed", "consumer", c.Name(), "event", e.ID, "type", e.Type,
		"aggregate", e.AggregateID, "version", e.Version, "parked", parked, "error", cause)
	return nil
}

// forget takes out of the inbox what the cursors have passed.
func (c *Consumer) forget(conn *gorm.DB, batch []Envelope, all cursors) error {
	var ids []string
	for _, e := range batch {
		if all[e.key()].duplicate(e.Version) {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := conn.Where("consumer = ? AND event_id IN ? AND state <> ?", c.Name(), ids, stateDropped).Delete(&pending{}).Error
	if err != nil {
		return err
	}
	return c.unblock(conn, batch)
}

// somethingWaits is the condition that a cursor's aggregate has something in the
// inbox that its events have to do with: what waits, and what was dropped and lies
// ahead since a replay has set the cursor back.
const somethingWaits = `EXISTS (
	SELECT 1 FROM inbox_pending AS p WHERE p.consumer = inbox_cursors.consumer AND p.topic = inbox_cursors.topic
	AND p.aggregate_id = inbox_cursors.aggregate_id AND (p.state <> 'dropped' OR p.version > inbox_cursors.version))`

// unblock tells the aggregates that have nothing left in the inbox.
func (c *Consumer) unblock(conn *gorm.DB, batch []Envelope) error {
	topics, aggregates := subjects(batch)
	return conn.Exec(`UPDATE inbox_cursors SET blocked = ?
		WHERE consumer = ? AND topic IN ? AND aggregate_id IN ? AND blocked AND NOT `+somethingWaits,
		false, c.Name(), topics, aggregates).Error
}

// backOff is exponential with full jitter, so that what failed together does not
// come back together.
func backOff(attempts int) time.Duration {
	longest := firstBackOff << min(attempts-1, 20)
	return time.Millisecond + rand.N(min(longest, longBackOff))
}

const longReason = 8000 // bytes: a panic brings its stack

// storable makes a text that any database takes: an error may quote bytes that
// are none, and must not stop the inbox by that.
func storable(text string) string {
	if len(text) > longReason {
		text = text[:longReason] + " …"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}
