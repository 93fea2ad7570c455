package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// Status of a saga.
type Status string

// The statuses.
const (
	Running      Status = "running"      // on its way forward
	Compensating Status = "compensating" // on its way back
	Completed    Status = "completed"    // ended well
	Compensated  Status = "compensated"  // ended with everything undone
	Parked       Status = "parked"       // waits for a person
)

// Statuses are all of them, on the way to the end first.
var Statuses = []Status{Running, Compensating, Completed, Compensated, Parked}

// Over tells whether nothing more happens unless a person acts.
func (s Status) Over() bool { return s == Completed || s == Compensated || s == Parked }

// row is a saga as it is stored.
type row struct {
	ID          string `gorm:"primaryKey"`
	Name        string
	State       string // JSON of S
	Status      Status
	Resume      Status        // of a parked saga: where it was
	Step        int           // running: to be done next; compensating: to be undone next
	Reached     int           // the last step that may have been tried, as of the last write that let go of the claim
	Attempts    int           // of the present step
	Crashes     int           // how often a claim lapsed with nobody at it and nobody letting go of it
	NextAt      database.Time // due then; while claimed: when the claim lapses
	StartedAt   database.Time
	DeadlineAt  database.Time // of the way forward
	UpdatedAt   database.Time `gorm:"autoUpdateTime:false"`
	ClaimedBy   string        // empty: nobody
	Epoch       int64         // raised by every claim
	Cause       string        // JSON of why it compensates, parked, or waits
	TraceParent string        `gorm:"column:traceparent"`
	History     string        // JSON of []Entry
}

// TableName implements gorm's tabler.
func (row) TableName() string { return "sagas" }

// Reached when nobody knows how far the saga came.
const (
	untold     = 1 << 30    // because of a process that ended; the history does not say so yet
	everywhere = untold - 1 // because of that, and the history says so, or of a write that failed
)

// Entry is one line of a saga's history. Steps that went well at once are told
// together with the next write.
type Entry struct {
	At      time.Time `json:"at"`
	Step    string    `json:"step,omitempty"`
	Action  string    `json:"action"`  // do, undo, finish, fail, park, resume, operator
	Outcome string    `json:"outcome"` // ok, error, timeout
	Detail  string    `json:"detail,omitempty"`
}

const (
	historyLimit = 200 // entries kept; the oldest go
	detailLimit  = 500 // characters
)

type causeJSON struct {
	Code    string            `json:"code"`
	Kind    string            `json:"kind"`
	Message string            `json:"message,omitempty"`
	Details map[string]string `json:"details,omitempty"`
}

func encodeCause(f *fault.Error) string {
	if f == nil {
		return ""
	}
	text, err := json.Marshal(causeJSON{f.Code.Name(), f.Code.Kind().String(), f.Message, f.Details})
	if err != nil { // strings only
		panic(err)
	}
	return string(text)
}

func decodeCause(text string) *fault.Error {
	var c causeJSON
	if text == "" || json.Unmarshal([]byte(text), &c) != nil || c.Code == "" {
		return nil
	}
	f := fault.Define(c.Code, fault.KindOf(c.Kind)).Errorf("%s", c.Message)
	f.Details = c.Details
	return f
}

// errLost says that somebody else has the saga now: nothing may be written.
var errLost = errors.New("the claim on the saga is lost")

// save writes next where the claim still stands, in the transaction of ctx or one
// of its own.
func (e *Engine) save(ctx context.Context, held, next row) error {
	next.UpdatedAt = database.At(e.now())
	err := e.db.Atomic(ctx, func(ctx context.Context) error {
		result := e.db.Conn(ctx).Exec(`UPDATE sagas SET state = ?, status = ?, resume = ?, step = ?, reached = ?, attempts = ?,
				next_at = ?, updated_at = ?, claimed_by = ?, cause = ?, history = ?
			WHERE id = ? AND claimed_by = ? AND epoch = ?`,
			next.State, next.Status, next.Resume, next.Step, next.Reached, next.Attempts,
			next.NextAt, next.UpdatedAt, next.ClaimedBy, next.Cause, next.History,
			held.ID, e.me, held.Epoch)
		if result.Error == nil && result.RowsAffected == 0 {
			return errLost
		}
		return result.Error
	})
	if err != nil {
		return fmt.Errorf("write saga %s %s: %w", held.Name, held.ID, err)
	}
	return nil
}

// extend moves the end of the claim.
func (e *Engine) extend(ctx context.Context, held row) error {
	return e.db.Atomic(ctx, func(ctx context.Context) error {
		result := e.db.Conn(ctx).Exec(`UPDATE sagas SET next_at = ? WHERE id = ? AND claimed_by = ? AND epoch = ?`,
			database.At(e.now().Add(e.lease)), held.ID, e.me, held.Epoch)
		if result.Error == nil && result.RowsAffected == 0 {
			return errLost
		}
		return result.Error
	})
}

// extendQueue moves the end of the claims of those that wait for a worker here. One that
// is lost finds out when its turn comes.
func (e *Engine) extendQueue(ctx context.Context) error {
	e.mu.Lock()
	ids := make([]string, len(e.queue))
	for i, in := range e.queue {
		ids[i] = in.row.ID
	}
	e.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	skip := e.db.SkipLocked() // whoever holds a row writes it
	until := database.At(e.now().Add(e.lease))
	var ours []string
	err := e.db.Atomic(ctx, func(ctx context.Context) error {
		ours = nil
		return e.db.Conn(ctx).Raw(`UPDATE sagas SET next_at = ? WHERE id IN (
			SELECT id FROM sagas WHERE `+e.db.Among("id")+` AND claimed_by = ?`+skip+`) RETURNING id`,
			until, e.db.List(ids), e.me).Scan(&ours).Error
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ours {
		if in := e.active[id]; in != nil && in.cancel == nil { // it waits still
			in.row.NextAt = until
		}
	}
	return nil
}

// inHand gives the ids of the sagas that are queued or at work here.
func (e *Engine) inHand() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.AppendSeq(make([]string, 0, len(e.active)), maps.Keys(e.active))
}

// claim takes up to limit due sagas of the registered definitions, but those that are
// in hand here: their claims lapsed because all of this process slept. What was claimed
// before and not let go of was left by a crash, or by us because it could not be
// written: nobody knows how far it came.
func (e *Engine) claim(ctx context.Context, limit int) ([]row, error) {
	now := database.At(e.now())
	var any int
	err := e.db.Conn(ctx).Raw(`SELECT 1 FROM sagas WHERE status IN ('running', 'compensating') AND next_at <= ? LIMIT 1`, now).
		Scan(&any).Error
	if err != nil || any == 0 {
		return nil, err
	}
	skip := e.db.SkipLocked()
	var rows []row
	err = e.db.Atomic(ctx, func(ctx context.Context) error {
		rows = nil
		// Materialised, so that no plan looks for due rows twice and locks more than limit.
		return e.db.Conn(ctx).Raw(`WITH due AS MATERIALIZED (
				SELECT id FROM sagas
				WHERE status IN ('running', 'compensating') AND next_at <= ? AND name IN ?
					AND NOT (claimed_by = ? AND `+e.db.Among("id")+`)
				ORDER BY next_at LIMIT ?`+skip+`)
			UPDATE sagas SET
				reached = CASE claimed_by WHEN '' THEN reached WHEN ? THEN ? ELSE ? END,
				crashes = CASE WHEN claimed_by = '' THEN crashes ELSE crashes + 1 END,
				claimed_by = ?, next_at = ?, epoch = epoch + 1
			WHERE id IN (SELECT id FROM due)
			RETURNING *`,
			now, e.names(), e.me, e.db.List(e.inHand()), limit, e.me, everywhere, untold, e.me, database.At(now.Add(e.lease))).Scan(&rows).Error
	})
	return rows, err
}

// Inherit makes sagas due that are claimed, for when it is known that whoever
// claimed them is gone. One that is not gone after all loses them as it would by
// sleeping past its claim: the epoch refuses its writes. One that was there at
// several crashes waits for its claim to lapse: it may be their reason, or in a
// row of quick crashes from another one it would soon be parked as if it were.
func (e *Engine) Inherit(ctx context.Context) error {
	now := database.At(e.now())
	err := e.db.Atomic(ctx, func(ctx context.Context) error {
		return e.db.Conn(ctx).Exec(`UPDATE sagas SET next_at = ?
			WHERE status IN ('running', 'compensating') AND claimed_by <> '' AND next_at > ? AND crashes < ?`, now, now, suspicious).Error
	})
	if err != nil {
		return fmt.Errorf("inherit the sagas of %s: %w", e.db.Module(), err)
	}
	return nil
}
