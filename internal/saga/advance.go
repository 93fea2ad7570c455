package saga

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// forward tries the next step, or ends the saga well after the last.
func (in *instance) forward(ctx context.Context) bool {
	left := in.cur.DeadlineAt.Sub(in.engine.now())
	if left <= 0 {
		return in.turn(ctx, in.timeout())
	}
	if in.cur.Step >= len(in.def.steps) {
		return in.finish(ctx)
	}
	s := in.def.steps[in.cur.Step]
	in.cur.Reached = max(in.cur.Reached, in.cur.Step)
	if err := in.attempt(ctx, min(s.deadline, left), s.name, s.do); err != nil {
		return in.failed(ctx, err, "do", s.name, s.attempts)
	}
	in.note("do", s.name, "ok", "")
	in.cur.Step++
	in.cur.Attempts, in.cur.Cause, in.last = 0, "", nil
	if s.checkpoint {
		if err := in.write(ctx, true); err != nil {
			return in.trouble(ctx, "checkpoint", err)
		}
	}
	return true
}

// failed decides what follows a failed attempt on the way forward. A neighbour that
// does not run is waited for until the saga's time is up; one that answers that it
// cannot, or does not answer, is given up as soon as the attempts are.
func (in *instance) failed(ctx context.Context, err error, action, step string, attempts int) bool {
	if ctx.Err() != nil { // we stopped it; its outcome says nothing
		return in.interrupted(ctx)
	}
	in.last = fault.From(err)
	in.note(action, step, "error", err.Error())
	var pause time.Duration
	if metNobody(err) {
		pause = in.outwait(attempts)
	} else {
		in.cur.Attempts++
		if !fault.Retryable(err) || in.cur.Attempts >= attempts {
			return in.turn(ctx, in.last)
		}
		pause = backoff(in.cur.Attempts)
	}
	if !in.engine.now().Add(pause).Before(in.cur.DeadlineAt.Time) {
		return in.turn(ctx, in.timeout())
	}
	in.cur.Cause = encodeCause(in.last)
	return in.suspend(ctx, pause)
}

func (in *instance) timeout() *fault.Error {
	f := Timeout.Errorf("not done within %s", in.cur.DeadlineAt.Sub(in.cur.StartedAt.Time))
	if in.last != nil {
		f.WithDetail("last_code", in.last.Code.Name())
	}
	return f
}

// turn begins compensation, with the step that was being tried: its outcome may
// be unknown. It is written before anything is undone, so a crash does not lead
// forward again.
func (in *instance) turn(ctx context.Context, cause *fault.Error) bool {
	in.cur.Status = Compensating
	in.cur.Step = min(in.cur.Reached, len(in.def.steps)-1)
	in.cur.Attempts = 0
	in.cur.Cause = encodeCause(cause)
	in.engine.log.InfoContext(ctx, "a saga compensates", "saga", in.row.Name, "id", in.row.ID, "cause", cause)
	if err := in.write(ctx, true); err != nil {
		return in.trouble(ctx, "turn to compensation", err)
	}
	return true
}

// back undoes the next step, or ends the saga after the first.
func (in *instance) back(ctx context.Context) bool {
	if in.cur.Step < 0 {
		return in.fail(ctx)
	}
	s := in.def.steps[min(in.cur.Step, len(in.def.steps)-1)]
	if s.undo != nil {
		if err := in.attempt(ctx, s.deadline, s.name+"/undo", s.undo); err != nil {
			return in.stuck(ctx, err, "undo", s.name, s.undoAttempts, true)
		}
		in.note("undo", s.name, "ok", "")
	}
	in.cur.Step--
	in.cur.Attempts = 0
	return true
}

// stuck decides what follows a failed attempt on the way back: there is nowhere
// else to go, so it is tried again, then parked. A neighbour that is away is waited
// for: a person could do nothing but wait, too.
func (in *instance) stuck(ctx context.Context, err error, action, step string, attempts int, again bool) bool {
	if ctx.Err() != nil {
		return in.interrupted(ctx)
	}
	in.note(action, step, "error", err.Error())
	if again && away(err) && in.engine.now().Before(in.cur.DeadlineAt.Add(awayPatience)) {
		return in.suspend(ctx, in.outwait(attempts))
	}
	in.cur.Attempts++
	if !again || in.cur.Attempts >= attempts {
		f := *fault.From(err)
		return in.park(ctx, fault.Internal.Wrap(&f, "%s %s failed %d times", action, step, in.cur.Attempts))
	}
	return in.suspend(ctx, backoff(in.cur.Attempts))
}

// outwait is the pause after an attempt that a neighbour's absence cost. It counts only
// among the first half of the attempts: the rest is for what comes when the neighbour is
// there again. From then on the pauses grow with the saga's age, so a short absence is
// noticed to be over soon, and a long one costs little.
func (in *instance) outwait(attempts int) time.Duration {
	most := max(in.cur.Attempts, attempts/2)
	if in.cur.Attempts < most {
		in.cur.Attempts++
		return backoff(in.cur.Attempts)
	}
	age := in.engine.now().Sub(in.row.StartedAt.Time)
	return rand.N(min(max(age, firstPause), longestPause))
}

// metNobody tells that an attempt was made at nobody. A neighbour's own code comes from
// somebody who is there, also one of the same kind.
func metNobody(err error) bool { return errors.Is(err, fault.Unavailable) }

// away tells that a neighbour could not be reached, or said nothing.
func away(err error) bool {
	kind := fault.From(err).Code.Kind()
	return kind == fault.KindUnavailable || kind == fault.KindDeadline
}

// finish ends the saga well: the caller's Finish and the end of the row are one
// transaction, which a lost claim undoes.
func (in *instance) finish(ctx context.Context) bool {
	err := in.end(ctx, "finish", Completed, func(ctx context.Context) error {
		return in.def.finish(ctx, in.row.ID, in.state)
	})
	switch {
	case err == nil:
		return false
	case errors.Is(err, errLost):
		return in.trouble(ctx, "finish", err)
	}
	in.cur.Status = Running
	// Every step was done, so all of them are to be undone if it comes to that.
	in.cur.Reached = max(in.cur.Reached, len(in.def.steps)-1)
	return in.failed(ctx, err, "finish", "", defaultAttempts)
}

// fail ends the saga after compensation.
func (in *instance) fail(ctx context.Context) bool {
	cause := decodeCause(in.cur.Cause)
	if cause == nil {
		cause = fault.Internal.Errorf("the cause was not recorded")
	}
	err := in.end(ctx, "fail", Compensated, func(ctx context.Context) error {
		return in.def.fail(ctx, in.row.ID, in.state, cause)
	})
	switch {
	case err == nil:
		return false
	case errors.Is(err, errLost):
		return in.trouble(ctx, "end after compensation", err)
	}
	in.cur.Status = Compensating
	return in.stuck(ctx, err, "fail", "", defaultUndoAttempts, fault.Retryable(err))
}

// end runs last and ends the row in one transaction. The transaction may be
// repeated, so each time starts from the same state and history.
func (in *instance) end(ctx context.Context, action string, status Status, last func(context.Context) error) error {
	if err := in.pack(); err != nil {
		return err
	}
	before, history := in.cur, in.history
	again := false
	ctx, cancel := context.WithTimeout(ctx, defaultDeadline)
	defer cancel()
	err := in.engine.db.Atomic(ctx, func(ctx context.Context) (err error) {
		defer in.recovered(ctx, &err)
		if again {
			if in.state, err = in.def.decode(before.State); err != nil {
				return err
			}
			in.cur, in.history = before, history
		}
		again = true
		if err := last(ctx); err != nil {
			return err
		}
		in.note(action, "", "ok", "")
		in.cur.Status, in.cur.NextAt = status, database.At(in.engine.now())
		if status == Completed {
			in.cur.Cause = "" // of a retry of Finish
		}
		return in.write(ctx, false)
	})
	if err != nil {
		in.cur, in.history = before, history
		if state, bad := in.def.decode(before.State); bad == nil {
			in.state = state
		}
		return err
	}
	in.ended(ctx, status)
	return nil
}
