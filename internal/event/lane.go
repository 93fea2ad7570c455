package event

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
)

// A relay holds lanes by a short lease and renews it while it delivers. The
// lease only saves double work: who wakes up late delivers again what the inbox
// recognises, and can mark nothing as sent that its holder no longer holds.
const (
	leaseTime  = 3 * time.Second
	leaseRenew = time.Second
	batchSize  = 256
)

// hold is a set of lanes held by one pass of one relay.
type hold struct {
	token string // unique to this pass
	lanes []int
}

// unsent tells whether the outbox has something to send.
func (o *Outbox) unsent(ctx context.Context) (bool, error) {
	var found bool
	err := o.db.Conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM outbox WHERE sent_at IS NULL)`).Scan(&found).Error
	if err != nil {
		return false, fmt.Errorf("look for unsent events: %w", err)
	}
	return found, nil
}

// claim takes up to most free lanes that have something to send, those first
// that were left alone longest, and the first rows of them.
func (o *Outbox) claim(ctx context.Context, token string, most int) (hold, []row, error) {
	skip := ""
	if o.db.Dialect() == database.Postgres {
		skip = "FOR UPDATE SKIP LOCKED"
	}
	h := hold{token: token}
	var rows []row
	err := o.db.Atomic(ctx, func(ctx context.Context) error {
		now := clock.System()
		h.lanes, rows = nil, nil
		conn := o.db.Conn(ctx)
		err := conn.Raw(`UPDATE outbox_lanes SET holder = ?, epoch = epoch + 1, held_until = ?
			WHERE lane IN (
				SELECT l.lane FROM outbox_lanes AS l
				WHERE l.held_until <= ? AND EXISTS (SELECT 1 FROM outbox AS o WHERE o.sent_at IS NULL AND o.lane = l.lane)
				ORDER BY l.held_until, l.lane LIMIT ? `+skip+`)
			RETURNING lane`,
			token, database.At(now.Add(leaseTime)), database.At(now), most).Scan(&h.lanes).Error
		if err != nil || len(h.lanes) == 0 {
			return err
		}
		rows, err = h.fetch(conn)
		return err
	})
	if err != nil {
		return hold{}, nil, fmt.Errorf("claim lanes of the outbox: %w", err)
	}
	return h, rows, nil
}

// fetch reads the first unsent rows of the held lanes, the same number of each,
// so that neither a long backlog nor a busy lane makes it slow or unfair.
func (h hold) fetch(conn *gorm.DB) ([]row, error) {
	var rows []row
	each := batchSize / len(h.lanes)
	parts, args := make([]string, 0, len(h.lanes)), make([]any, 0, 2*len(h.lanes))
	for _, lane := range h.lanes {
		parts = append(parts, `SELECT * FROM (SELECT id, topic, type, aggregate_id, version, lane, recorded_at, traceparent, data
			FROM outbox WHERE sent_at IS NULL AND lane = ? ORDER BY id LIMIT ?) AS part`)
		args = append(args, lane, each)
	}
	err := conn.Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&rows).Error
	return rows, err
}

// settle marks rows as sent, if their lanes are still held, and fetches the next
// ones. Where there are none it gives the lanes back.
func (o *Outbox) settle(ctx context.Context, h hold, sent []row) ([]row, error) {
	ids := make([]string, len(sent))
	first, last := sent[0].RecordedAt, sent[0].RecordedAt
	for i, r := range sent {
		ids[i] = r.ID
		if r.RecordedAt.Before(first.Time) {
			first = r.RecordedAt
		}
		if r.RecordedAt.After(last.Time) {
			last = r.RecordedAt
		}
	}
	var next []row
	var lost int
	err := o.db.Atomic(ctx, func(ctx context.Context) error {
		next, lost = nil, 0
		now := clock.System()
		conn := o.db.Conn(ctx)
		// The bounds of recorded_at let PostgreSQL leave out the other months. That
		// sent_at is null needs no saying while the lanes are held, and would make it
		// read the index of all unsent rows.
		err := o.db.Later(ctx).Exec(`UPDATE outbox SET sent_at = ? WHERE id IN ? AND recorded_at BETWEEN ? AND ?
			AND lane IN (SELECT lane FROM outbox_lanes WHERE holder = ?)`,
			database.At(now), ids, first, last, h.token).Error
		if err != nil {
			return err
		}
		if next, err = h.fetch(conn); err != nil {
			return err
		}
		const hold = `UPDATE outbox_lanes SET held_until = ? WHERE holder = ?`
		if len(next) == 0 {
			return o.db.Later(ctx).Exec(hold, database.At(now), h.token).Error
		}
		held := conn.Exec(hold, database.At(now.Add(leaseTime)), h.token)
		if held.Error == nil && held.RowsAffected < int64(len(h.lanes)) {
			next = nil // somebody took lanes over: start again with a claim
			lost = len(h.lanes) - int(held.RowsAffected)
		}
		return held.Error
	})
	if err != nil {
		return nil, fmt.Errorf("mark events as sent: %w", err)
	}
	if lost > 0 {
		o.metrics.lose(o.Module(), lost)
	}
	return next, nil
}

// renew keeps the lanes while a batch is being delivered.
func (o *Outbox) renew(ctx context.Context, h hold) error {
	return o.hold(ctx, h, clock.System().Add(leaseTime))
}

// release gives the lanes back at once.
func (o *Outbox) release(ctx context.Context, h hold) error {
	return o.hold(ctx, h, clock.System())
}

func (o *Outbox) hold(ctx context.Context, h hold, until time.Time) error {
	return o.db.Atomic(ctx, func(ctx context.Context) error {
		return o.db.Conn(ctx).Exec(`UPDATE outbox_lanes SET held_until = ? WHERE holder = ?`, database.At(until), h.token).Error
	})
}

// inherit gives back the lanes of relays that are gone.
func (o *Outbox) inherit(ctx context.Context) error {
	now := database.At(clock.System())
	return o.db.Atomic(ctx, func(ctx context.Context) error {
		return o.db.Conn(ctx).Exec(`UPDATE outbox_lanes SET held_until = ? WHERE held_until > ?`, now, now).Error
	})
}
