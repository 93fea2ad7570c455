package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// Info is a saga as an operator sees it.
type Info struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Status     Status          `json:"status"`
	Step       string          `json:"step,omitempty"` // to be done or undone next
	Attempts   int             `json:"attempts"`       // of that step
	NextAt     time.Time       `json:"next_at"`        // due then; while claimed: when the claim lapses
	StartedAt  time.Time       `json:"started_at"`
	DeadlineAt time.Time       `json:"deadline_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	ClaimedBy  string          `json:"claimed_by,omitempty"`
	Epoch      int64           `json:"epoch"`
	Cause      *Cause          `json:"cause,omitempty"`   // why it compensates or waits
	Parked     string          `json:"parked,omitempty"`  // why it waits for a person, if it does
	State      json.RawMessage `json:"state,omitempty"`   // only in Show, without what is secret
	History    []Entry         `json:"history,omitempty"` // only in Show
}

// Cause is a fault without what is only for logs.
type Cause struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// Filter selects sagas; zero fields select all.
type Filter struct {
	Name     string
	Statuses []Status // any of them; all where there is none
	After    string   // id of the last saga of the page before
	Limit    int      // 1..501, a page and whether there is another; 50 unless set
}

// brief is what is read of a saga for a list: its history only where it tells why the
// saga is parked.
const brief = `id, name, status, step, attempts, next_at, started_at, deadline_at, updated_at, claimed_by, epoch, cause,
	CASE WHEN status = 'parked' THEN history ELSE '' END AS history`

// List gives sagas by id, without state and history.
func (e *Engine) List(ctx context.Context, f Filter) ([]Info, error) {
	if f.Limit < 1 || f.Limit > 501 {
		f.Limit = 50
	}
	q := e.db.Conn(ctx).Select(brief).Where("id > ?", f.After).Order("id").Limit(f.Limit)
	if f.Name != "" {
		q = q.Where("name = ?", f.Name)
	}
	if len(f.Statuses) > 0 {
		q = q.Where("status IN ?", f.Statuses)
	}
	var rows []row
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list sagas: %w", err)
	}
	infos := make([]Info, len(rows))
	for i, r := range rows {
		infos[i] = e.info(r)
	}
	return infos, nil
}

// Show gives all about one saga that is not secret. Codes: NotFound.
func (e *Engine) Show(ctx context.Context, id string) (Info, error) {
	r, err := e.read(ctx, e.db.Conn(ctx), id)
	if err != nil {
		return Info{}, err
	}
	info := e.info(r)
	info.State = e.shown(r)
	if err := json.Unmarshal([]byte(r.History), &info.History); err != nil {
		return Info{}, fmt.Errorf("read the history of saga %s: %w", id, err)
	}
	return info, nil
}

// shown is the state of a saga without what is secret. It is nil where that cannot
// be told apart: the process does not know the saga, or cannot read its state, which
// parks it with a cause that says so.
func (e *Engine) shown(r row) json.RawMessage {
	d := e.defs[r.Name]
	if d == nil {
		return nil
	}
	state, err := d.decode(r.State)
	if err != nil {
		return nil
	}
	d.hide(state)
	text, err := json.Marshal(state)
	if err != nil {
		return nil
	}
	return text
}

func (e *Engine) info(r row) Info {
	i := Info{
		ID: r.ID, Name: r.Name, Status: r.Status, Attempts: r.Attempts, NextAt: r.NextAt.Time,
		StartedAt: r.StartedAt.Time, DeadlineAt: r.DeadlineAt.Time, UpdatedAt: r.UpdatedAt.Time,
		ClaimedBy: r.ClaimedBy, Epoch: r.Epoch,
	}
	if d := e.defs[r.Name]; d != nil && r.Status != Completed && r.Status != Compensated {
		i.Step = d.stepName(r.Step)
	}
	if f := decodeCause(r.Cause); f != nil {
		i.Cause = &Cause{Code: f.Code.Name(), Message: f.Message}
	}
	if r.Status == Parked {
		i.Parked = parkedBecause(r.History)
	}
	return i
}

// parkedBecause is what the history says about why the saga waits for a person.
func parkedBecause(history string) string {
	var entries []Entry
	if json.Unmarshal([]byte(history), &entries) != nil {
		return ""
	}
	for _, h := range slices.Backward(entries) {
		if h.Action == "park" {
			return h.Detail
		}
	}
	return ""
}

func (e *Engine) read(ctx context.Context, conn *gorm.DB, id string) (row, error) {
	var r row
	err := conn.Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return r, fault.NotFound.Errorf("there is no saga %s in %s", id, e.db.Module())
	}
	if err != nil {
		return r, fmt.Errorf("read saga %s: %w", id, database.Fault(ctx, err))
	}
	return r, nil
}

// Retry lets a parked saga go on where it was, with all its attempts and, on the
// way forward, a fresh deadline. Codes: NotFound; Conflict where it is not parked.
func (e *Engine) Retry(ctx context.Context, id string) error {
	return e.operate(ctx, id, "retry", func(r *row) error {
		if r.Status != Parked {
			return notNow.Errorf("saga %s is %s; only a parked one can be retried", id, r.Status)
		}
		r.Status, r.Resume = r.Resume, ""
		r.NextAt = database.At(e.now())
		if r.Status == Running {
			r.Cause = ""
			if d := e.defs[r.Name]; d != nil {
				r.DeadlineAt = database.At(e.now().Add(d.timeout))
			}
		}
		return nil
	})
}

// notNow answers an operator whose saga is in the wrong status.
var notNow = fault.Define("saga.not_now", fault.KindConflict)

// Compensate turns a running or parked saga back, whatever it was doing: every
// step is undone. Where an attempt may be under way, it waits until that is over.
// Codes: NotFound; Conflict where the saga compensates already or has ended.
func (e *Engine) Compensate(ctx context.Context, id string) error {
	err := e.operate(ctx, id, "compensate", func(r *row) error {
		d := e.defs[r.Name]
		if d == nil {
			return notNow.Errorf("saga %s is a %s, which this process does not know", id, r.Name)
		}
		if r.Status != Running && (r.Status != Parked || r.Resume != Running) {
			if r.Status == Parked {
				return notNow.Errorf("saga %s was parked while compensating; retry it instead", id)
			}
			return notNow.Errorf("saga %s is %s", id, r.Status)
		}
		r.NextAt = database.At(e.now())
		if r.ClaimedBy != "" { // another process finds out at a step's end, or when it keeps its claim
			r.NextAt = database.At(e.now().Add(max(d.slowest(), e.lease)))
		}
		r.Status, r.Resume = Compensating, ""
		r.Step, r.Reached = len(d.steps)-1, len(d.steps)-1
		r.Cause = encodeCause(Stopped.Errorf("an operator asked for it"))
		return nil
	})
	if err == nil {
		e.drop(id)
	}
	return err
}

// drop takes a saga that was changed by an operator from this process's hands.
func (e *Engine) drop(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.active[id]
	if in == nil {
		return
	}
	if in.cancel != nil {
		in.cancel(errLost)
		return
	}
	delete(e.active, id)
	for i, q := range e.queue {
		if q == in {
			e.queue = append(e.queue[:i:i], e.queue[i+1:]...)
			break
		}
	}
}

// operate changes a row under a new epoch, so that whoever holds it loses it.
func (e *Engine) operate(ctx context.Context, id, action string, change func(*row) error) error {
	err := e.db.Atomic(ctx, func(ctx context.Context) error {
		conn := e.db.Conn(ctx)
		if e.db.Dialect() == database.Postgres {
			conn = conn.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		}
		r, err := e.read(ctx, conn, id)
		if err != nil {
			return err
		}
		if err := change(&r); err != nil {
			return err
		}
		var history []Entry
		if err := json.Unmarshal([]byte(r.History), &history); err != nil {
			return fmt.Errorf("read the history of saga %s: %w", id, err)
		}
		text, err := json.Marshal(append(history, Entry{At: e.now(), Action: "operator", Outcome: "ok", Detail: action}))
		if err != nil {
			return fmt.Errorf("write the history of saga %s: %w", id, err)
		}
		return e.db.Conn(ctx).Model(&row{}).Where("id = ?", id).Updates(map[string]any{
			"status": r.Status, "resume": r.Resume, "step": r.Step, "reached": r.Reached, "attempts": 0, "crashes": 0,
			"next_at": r.NextAt, "deadline_at": r.DeadlineAt, "updated_at": database.At(e.now()),
			"claimed_by": "", "epoch": gorm.Expr("epoch + 1"), "cause": r.Cause, "history": string(text),
		}).Error
	})
	if err != nil {
		return fmt.Errorf("%s saga: %w", action, err)
	}
	e.db.AfterCommit(ctx, e.poke)
	return nil
}
