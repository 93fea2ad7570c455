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
)

// hold is a set of lanes held by one pass of one relay.
type hold struct {
	token string // unique to this pass
	lanes []int
	each  int // rows of a lane that were asked for at most
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

// firstRows are the first unsent rows of a lane.
const firstRows = `SELECT id, topic, type, aggregate_id, version, lane, recorded_at, traceparent, data
	FROM outbox WHERE sent_at IS NULL AND lane = %s ORDER BY id LIMIT ?`

// claim takes up to most free lanes and the first rows of them, the same number of
// each, so that neither a long backlog nor a busy lane makes it slow or unfair.
func (o *Outbox) claim(ctx context.Context, token string, most int) (h hold, rows []row, err error) {
	err = o.db.AtomicUnsynced(ctx, func(ctx context.Context) error {
		now := clock.System()
		until, free := database.At(now.Add(leaseTime)), database.At(now)
		h, rows = hold{token: token, each: batchSize / most}, nil
		if o.db.Dialect() == database.Postgres {
			// One statement, which reads as of before it claimed: at worst it gives
			// rows that whoever held the lane has just sent.
			err := o.db.Last(ctx).Raw(claimOnPostgres, token, until, free, most, h.each).Scan(&rows).Error
			h.lanes = lanesOf(rows)
			return err
		}
		conn := o.db.Conn(ctx)
		err := conn.Raw(fmt.Sprintf(claimLanes, ""), token, until, free, most).Scan(&h.lanes).Error
		if err != nil || len(h.lanes) == 0 {
			return err
		}
		rows, err = o.fetch(conn, &h)
		return err
	})
	if err != nil {
		return hold{}, nil, fmt.Errorf("claim lanes of the outbox: %w", err)
	}
	return h, rows, nil
}

// Texts that never change are planned once for each connection.
var (
	claimOnPostgres = `WITH claimed AS (` + fmt.Sprintf(claimLanes, "FOR UPDATE SKIP LOCKED") + `)
		SELECT part.* FROM claimed CROSS JOIN LATERAL (` + fmt.Sprintf(firstRows, "claimed.lane") + `) AS part`
	fetchOnPostgres = `SELECT part.* FROM outbox_lanes AS held CROSS JOIN LATERAL (` + fmt.Sprintf(firstRows, "held.lane") + `) AS part
		WHERE held.holder = ?`
	fetchOnSQLite = `SELECT * FROM (` + fmt.Sprintf(firstRows, "?") + `) AS part`
)

func lanesOf(rows []row) []int {
	var found []int
	for _, r := range rows {
		if !slices.Contains(found, r.Lane) {
			found = append(found, r.Lane)
		}
	}
	return found
}

// fetch reads the first unsent rows of the held lanes.
func (o *Outbox) fetch(conn *gorm.DB, h *hold) ([]row, error) {
	var rows []row
	h.each = batchSize / len(h.lanes)
	if o.db.Dialect() == database.Postgres {
		return rows, conn.Raw(fetchOnPostgres, h.each, h.token).Scan(&rows).Error
	}
	parts, args := make([]string, 0, len(h.lanes)), make([]any, 0, 2*len(h.lanes))
	for _, lane := range h.lanes {
		parts = append(parts, fetchOnSQLite)
		args = append(args, lane, h.each)
	}
	err := conn.Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&rows).Error
	return rows, err
}

// all tells whether rows are all that there was to send when they were read.
func (h hold) all(rows []row) bool {
	count := map[int]int{}
	for _, r := range rows {
		if count[r.Lane]++; count[r.Lane] == h.each {
			return false
		}
	}
	return true
}

// settle marks rows as sent, if their lanes are still held, and fetches the next
// ones. Where there are none it gives the lanes back; what was published meanwhile
// has woken the relay again.
func (o *Outbox) settle(ctx context.Context, h *hold, sent []row) ([]row, error) {
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
	err := o.db.AtomicUnsynced(ctx, func(ctx context.Context) error {
		next, lost = nil, 0
		now := clock.System()
		conn := o.db.Conn(ctx)
		// The bounds of recorded_at let PostgreSQL leave out the other months. That
		// sent_at is null needs no saying while the lanes are held, and would make it
		// read the index of all unsent rows.
		err := o.db.Later(ctx).Exec(`UPDATE outbox SET sent_at = ? WHERE `+o.db.Among("id")+` AND recorded_at BETWEEN ? AND ?
			AND lane IN (SELECT lane FROM outbox_lanes WHERE holder = ?)`,
			database.At(now), o.db.List(ids), first, last, h.token).Error
		if err != nil {
			return err
		}
		if !h.all(sent) {
			if next, err = o.fetch(conn, h); err != nil {
				return err
			}
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
