package event

import (
	"context"
	"fmt"
	"slices"
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
	nextBatch  = 4 * batchSize // of a backlog
)

// hold is a set of lanes held by one pass of one relay.
type hold struct {
	token string // unique to this pass
	lanes []int
	after map[int]string // the id of the last row of a lane that was read
	lost  bool           // somebody took lanes over
}

// batch is what was read of the held lanes.
type batch struct {
	rows []row
	more bool // than was asked for
}

// read makes a batch of rows, of which as many as each were asked for of a lane.
func (h *hold) read(rows []row, each int) batch {
	count := map[int]int{}
	b := batch{rows: rows}
	for _, r := range rows {
		h.after[r.Lane] = max(h.after[r.Lane], r.ID)
		if count[r.Lane]++; count[r.Lane] == each {
			b.more = true
		}
	}
	return b
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

// claimLanes takes free lanes that have something to send, those first that were
// left alone longest. %s is how PostgreSQL passes over lanes that others are taking.
const claimLanes = `UPDATE outbox_lanes SET holder = ?, epoch = epoch + 1, held_until = ?
	WHERE lane IN (
		SELECT l.lane FROM outbox_lanes AS l
		WHERE l.held_until <= ? AND EXISTS (SELECT 1 FROM outbox AS o WHERE o.sent_at IS NULL AND o.lane = l.lane)
		ORDER BY l.held_until, l.lane LIMIT ? %s)
	RETURNING lane`

// firstRows are the first unsent rows of a lane. What was sent and is not cleaned up
// yet takes time to pass by: who knows how far a lane was read begins there.
const firstRows = `SELECT id, topic, type, aggregate_id, version, lane, recorded_at, traceparent, data
	FROM outbox WHERE sent_at IS NULL AND lane = %s AND id > %s ORDER BY id LIMIT ?`

// Texts that never change are planned once for each connection.
var (
	claimOnPostgres = `WITH claimed AS (` + fmt.Sprintf(claimLanes, "FOR UPDATE SKIP LOCKED") + `)
		SELECT part.* FROM claimed CROSS JOIN LATERAL (` + fmt.Sprintf(firstRows, "claimed.lane", "''") + `) AS part`
	rowsOfLane = `SELECT * FROM (` + fmt.Sprintf(firstRows, "?", "?") + `) AS part`
)

// claim takes up to most free lanes and the first rows of them, the same number of
// each, so that neither a long backlog nor a busy lane makes it slow or unfair.
func (o *Outbox) claim(ctx context.Context, token string, most int) (h hold, first batch, err error) {
	var rows []row
	var each int // of a lane
	err = o.db.AtomicUnsynced(ctx, func(ctx context.Context) error {
		now := clock.System()
		until, free := database.At(now.Add(leaseTime)), database.At(now)
		h, rows = hold{token: token, after: map[int]string{}}, nil
		if o.db.Dialect() == database.Postgres {
			each = batchSize / most
			// One statement, which reads as of before it claimed: at worst it gives
			// rows that whoever held the lane has just sent.
			err := o.db.Last(ctx).Raw(claimOnPostgres, token, until, free, most, each).Scan(&rows).Error
			h.lanes = lanesOf(rows)
			return err
		}
		conn := o.db.Conn(ctx)
		err := conn.Raw(fmt.Sprintf(claimLanes, ""), token, until, free, most).Scan(&h.lanes).Error
		if err != nil || len(h.lanes) == 0 {
			return err
		}
		each = batchSize / len(h.lanes)
		rows, err = o.fetch(conn, h, each)
		return err
	})
	if err != nil {
		return hold{}, batch{}, fmt.Errorf("claim lanes of the outbox: %w", err)
	}
	return h, h.read(rows, each), nil
}

func lanesOf(rows []row) []int {
	var found []int
	for _, r := range rows {
		if !slices.Contains(found, r.Lane) {
			found = append(found, r.Lane)
		}
	}
	return found
}

// fetch gives unsent rows of the held lanes that were not read before, so many of each.
func (o *Outbox) fetch(conn *gorm.DB, h hold, each int) (rows []row, err error) {
	parts, args := make([]string, 0, len(h.lanes)), make([]any, 0, 3*len(h.lanes))
	for _, lane := range h.lanes {
		parts = append(parts, rowsOfLane)
		args = append(args, lane, h.after[lane], each)
	}
	return rows, conn.Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&rows).Error
}

// settle marks what has arrived as sent, where its lane is still held, and reads what
// comes after that which is on its way, if there is more and it is wanted. Where
// nothing is left, it gives the lanes back; what was published meanwhile has woken
// the relay again.
func (o *Outbox) settle(ctx context.Context, h *hold, arrived, away batch, wanted bool) (next batch, err error) {
	wanted = wanted && away.more && !h.lost
	if len(arrived.rows) == 0 && !wanted {
		return batch{}, nil
	}
	var rows []row
	lost, each := 0, nextBatch/len(h.lanes)
	err = o.db.AtomicUnsynced(ctx, func(ctx context.Context) (err error) {
		rows, lost = nil, 0
		now := clock.System()
		if err := o.mark(ctx, h, arrived.rows, now); err != nil {
			return err
		}
		conn := o.db.Conn(ctx)
		if wanted {
			if rows, err = o.fetch(conn, *h, each); err != nil {
				return err
			}
		}
		const hold = `UPDATE outbox_lanes SET held_until = ? WHERE holder = ?`
		if len(rows)+len(away.rows) == 0 {
			return o.db.Later(ctx).Exec(hold, database.At(now), h.token).Error
		}
		held := conn.Exec(hold, database.At(now.Add(leaseTime)), h.token)
		lost = len(h.lanes) - int(held.RowsAffected)
		return held.Error
	})
	if err != nil {
		return batch{}, fmt.Errorf("mark events as sent: %w", err)
	}
	if lost > 0 && !h.lost { // start again with a claim
		h.lost = true
		o.metrics.lose(o.Module(), lost)
	}
	if h.lost {
		return batch{}, nil
	}
	return h.read(rows, each), nil
}

// mark rows as sent.
func (o *Outbox) mark(ctx context.Context, h *hold, sent []row, now time.Time) error {
	if len(sent) == 0 {
		return nil
	}
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
	// The bounds of recorded_at let PostgreSQL leave out the other months. That
	// sent_at is null needs no saying while the lanes are held, and would make it
	// read the index of all unsent rows.
	return o.db.Later(ctx).Exec(`UPDATE outbox SET sent_at = ? WHERE `+o.db.Among("id")+` AND recorded_at BETWEEN ? AND ?
		AND lane IN (SELECT lane FROM outbox_lanes WHERE holder = ?)`,
		database.At(now), o.db.List(ids), first, last, h.token).Error
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
	return o.db.AtomicUnsynced(ctx, func(ctx context.Context) error {
		return o.db.Later(ctx).Exec(`UPDATE outbox_lanes SET held_until = ? WHERE holder = ?`, database.At(until), h.token).Error
	})
}

// inherit gives back the lanes of relays that are gone.
func (o *Outbox) inherit(ctx context.Context) error {
	now := database.At(clock.System())
	return o.db.Atomic(ctx, func(ctx context.Context) error {
		return o.db.Conn(ctx).Exec(`UPDATE outbox_lanes SET held_until = ? WHERE held_until > ?`, now, now).Error
	})
}
