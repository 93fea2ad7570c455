package event

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// Dead is an event that a consumer could not apply: it waits for its next
// attempt or its turn ("pending"), for a person ("parked"), or was given up
// ("dropped").
type Dead struct {
	Event         Envelope  `json:"event"`
	Consumer      string    `json:"consumer"`
	State         string    `json:"state"`
	Attempts      int       `json:"attempts"`
	NextAttemptAt time.Time `json:"next_attempt_at"`
	Reason        string    `json:"reason"`
	FirstSeen     time.Time `json:"first_seen"`
}

func (p pending) dead() (Dead, error) {
	e, err := Decode([]byte(p.Envelope))
	return Dead{
		Event: e, Consumer: p.Consumer, State: p.State, Attempts: p.Attempts,
		NextAttemptAt: p.NextAttemptAt.Time, Reason: p.Reason, FirstSeen: p.FirstSeen.Time,
	}, err
}

// DeadList gives up to limit events that the consumer could not apply, those
// that are parked first, then the oldest. Dropped ones are not in it.
func (c *Consumer) DeadList(ctx context.Context, limit int) ([]Dead, error) {
	var rows []pending
	err := c.db.Conn(ctx).Where("consumer = ? AND state <> ?", c.Name(), stateDropped).
		Order("state, first_seen, event_id").Limit(limit).Find(&rows).Error // 'parked' sorts before 'pending'
	if err != nil {
		return nil, fmt.Errorf("list the dead letters of %s: %w", c.Name(), err)
	}
	list := make([]Dead, 0, len(rows))
	for _, p := range rows {
		d, err := p.dead()
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// DeadShow gives one of them, dropped or not. Codes: NotFound.
func (c *Consumer) DeadShow(ctx context.Context, eventID string) (Dead, error) {
	p, err := c.deadRow(c.db.Conn(ctx), eventID)
	if err != nil {
		return Dead{}, err
	}
	return p.dead()
}

func (c *Consumer) deadRow(conn *gorm.DB, eventID string) (pending, error) {
	var rows []pending
	err := conn.Where("consumer = ? AND event_id = ?", c.Name(), eventID).Limit(1).Find(&rows).Error
	if err != nil {
		return pending{}, fmt.Errorf("read a dead letter of %s: %w", c.Name(), err)
	}
	if len(rows) == 0 {
		return pending{}, fault.NotFound.Errorf("%s has no dead letter %s: list them to see which there are", c.Name(), eventID)
	}
	return rows[0], nil
}

// DeadReplay tries events again at once, with all their attempts before them;
// without ids all that are parked. It returns how many there are.
func (c *Consumer) DeadReplay(ctx context.Context, eventIDs ...string) (int64, error) {
	var n int64
	err := c.db.Atomic(ctx, func(ctx context.Context) error {
		q := c.db.Conn(ctx).Model(&pending{}).Where("consumer = ?", c.Name())
		if len(eventIDs) > 0 {
			q = q.Where("event_id IN ? AND state <> ?", eventIDs, stateDropped)
		} else {
			q = q.Where("state = ?", stateParked)
		}
		done := q.Updates(map[string]any{"state": statePending, "attempts": 0, "next_attempt_at": database.At(c.now())})
		n = done.RowsAffected
		return done.Error
	})
	if err != nil {
		return 0, fmt.Errorf("replay dead letters of %s: %w", c.Name(), err)
	}
	raise(c.wake)
	return n, nil
}

// DeadDrop gives an event up for good: its effect will never happen at this
// consumer, on no replay either, and what waits behind it goes on. Only a Rebuild,
// which copies what the log says, reads it. reason and the last error stay on
// record. Only the first of an aggregate can be dropped.
// Codes: NotFound, Invalid.
func (c *Consumer) DeadDrop(ctx context.Context, eventID, reason string) error {
	if reason == "" {
		return fault.Invalid.Errorf("say why event %s is given up", eventID)
	}
	err := again(func() error { return c.deadDrop(ctx, eventID, reason) })
	if err != nil {
		return fmt.Errorf("drop a dead letter of %s: %w", c.Name(), err)
	}
	raise(c.wake)
	return nil
}

func (c *Consumer) deadDrop(ctx context.Context, eventID, reason string) error {
	return c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		p, err := c.deadRow(conn, eventID)
		if err != nil {
			return err
		}
		if p.State == stateDropped {
			why, _, _ := strings.Cut(p.Reason, "\n") // a stack may follow
			return fault.Invalid.Errorf("event %s was dropped already: %s", eventID, why)
		}
		d, err := p.dead()
		if err != nil {
			return err
		}
		all, err := c.cursorsOf(conn, []Envelope{d.Event})
		if err != nil {
			return err
		}
		cur := all[d.Event.key()]
		if !cur.next(p.Version) {
			return fault.Invalid.Errorf("event %s is version %d, but version %d comes next for %s: begin with that",
				eventID, p.Version, max(cur.Version, 0)+1, p.AggregateID)
		}
		err = conn.Model(&pending{}).Where("consumer = ? AND event_id = ?", c.Name(), eventID).
			Updates(map[string]any{"state": stateDropped, "reason": reason + "; last error: " + p.Reason}).Error
		if err != nil {
			return err
		}
		if err := c.pass(conn, cur, p.Version); err != nil {
			return err
		}
		if err := all.store(ctx, conn); err != nil {
			return err
		}
		return c.unblock(conn, []Envelope{d.Event})
	})
}

// GiveUp is DeadDrop for an event that a transport keeps because no process could take
// it over. It is on record before the transport forgets it, or what waits behind it would
// wait for ever, and a log would bring it again. Earlier ones may be still to come: then
// it is passed over in its turn. What had its effect has it. It may be repeated. last is
// why the transport keeps it. Code: Invalid.
func (c *Consumer) GiveUp(ctx context.Context, e Envelope, reason, last string) error {
	if reason == "" {
		return fault.Invalid.Errorf("say why event %s is given up", e.ID)
	}
	p, err := c.newPending(e)
	if err != nil {
		return err
	}
	p.State, p.Reason = stateDropped, storable(reason+"; last error: "+last)
	if err := again(func() error { return c.giveUp(ctx, e, p) }); err != nil {
		return fmt.Errorf("give up an event of %s: %w", c.Name(), err)
	}
	raise(c.wake)
	return nil
}

// again repeats what met a cursor that somebody else moved meanwhile.
func again(fn func() error) (err error) {
	for range redo {
		if err = fn(); !errors.Is(err, errMoved) {
			break
		}
	}
	return err
}

func (c *Consumer) giveUp(ctx context.Context, e Envelope, p pending) error {
	return c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		all, err := c.cursorsOf(conn, []Envelope{e})
		if err != nil {
			return err
		}
		cur := all[e.key()]
		if cur.duplicate(e.Version) {
			return nil
		}
		err = conn.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "consumer"}, {Name: "event_id"}},
			DoUpdates: clause.AssignmentColumns([]string{"state", "reason"}),
			Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "inbox_pending.state <> ?", Vars: []any{stateDropped}}}},
		}).Create(&p).Error
		if err != nil {
			return err
		}
		if !cur.next(e.Version) { // it is to be seen when its turn comes, also by who unblocks the cursor just now
			cur.Blocked, cur.touched = true, true
			return all.store(ctx, conn)
		}
		if err := c.pass(conn, cur, e.Version); err != nil {
			return err
		}
		if err := all.store(ctx, conn); err != nil {
			return err
		}
		return c.unblock(conn, []Envelope{e})
	})
}

// passDropped moves the cursor of a gap past what was given up before its turn came, and
// tells whether it is another gap by now, or none.
func (c *Consumer) passDropped(ctx context.Context, g gap) (passed bool, err error) {
	there, err := c.dropped(ctx, key{g.Topic, g.AggregateID}, max(g.Version, 0)+1)
	if err != nil || !there {
		return false, err
	}
	about := []Envelope{{Topic: g.Topic, AggregateID: g.AggregateID}}
	err = c.db.Atomic(ctx, func(ctx context.Context) error {
		conn := c.db.Conn(ctx)
		all, err := c.cursorsOf(conn, about)
		if err != nil {
			return err
		}
		cur := all[about[0].key()]
		if err := c.pass(conn, cur, cur.Version); err != nil {
			return err
		}
		if err := all.store(ctx, conn); err != nil {
			return err
		}
		return c.unblock(conn, about)
	})
	if err != nil && !errors.Is(err, errMoved) {
		return false, err
	}
	raise(c.wake)
	return true, nil
}

// dropped tells whether a version of an aggregate was given up.
func (c *Consumer) dropped(ctx context.Context, k key, version int64) (bool, error) {
	var n int64
	err := c.db.Conn(ctx).Model(&pending{}).Where("consumer = ? AND topic = ? AND aggregate_id = ? AND version = ? AND state = ?",
		c.Name(), k.topic, k.aggregate, version, stateDropped).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for what %s was not to have: %w", c.Name(), err)
	}
	return n > 0, nil
}

// pass moves a cursor past a version that was dropped just now, and past what was
// dropped before and follows it: since a replay has set the cursor back, nobody else
// comes by there.
func (c *Consumer) pass(conn *gorm.DB, cur *cursor, version int64) error {
	cur.advance(version)
	var ahead []int64
	err := conn.Model(&pending{}).
		Where("consumer = ? AND topic = ? AND aggregate_id = ? AND version > ? AND state = ?",
			c.Name(), cur.Topic, cur.AggregateID, version, stateDropped).
		Order("version").Pluck("version", &ahead).Error
	if err != nil {
		return err
	}
	for _, v := range ahead {
		if !cur.next(v) {
			return nil
		}
		cur.advance(v)
	}
	return nil
}
