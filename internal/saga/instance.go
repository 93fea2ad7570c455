package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/crashpoint"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

const (
	firstPause   = 100 * time.Millisecond // upper end of the pause before the second attempt, then doubled
	longestPause = 30 * time.Second
)

// instance is one saga while this process holds it.
type instance struct {
	engine  *Engine
	def     *definition
	row     row  // as in the database; row.Epoch is the claim, which stands until row.NextAt
	resumed bool // taken over from a write, not started here
	queued  time.Time
	cancel  context.CancelCauseFunc // nil while queued

	cur     row // as it is now
	state   any // *S
	history []Entry
	last    *fault.Error // of the present step
	over    Status       // once it is written that nothing more is to be done; else empty
}

// run drives the saga until it ends, waits, or is lost.
func (in *instance) run(ctx context.Context) {
	e := in.engine
	e.metrics.work(in.def.name, 1)
	defer e.metrics.work(in.def.name, -1)
	in.cur = in.row
	ctx = telemetry.WithTraceParent(port.WithPrincipal(ctx, port.System(e.db.Module())), in.row.TraceParent)
	// In the queue a claim is extended at each third of the lease. One that was not has
	// been in the hands of a process that slept, and may be somebody else's. To look at
	// each that has waited would be one more write of each when there is the most to do.
	if in.row.NextAt.Sub(e.now()) < e.lease/2 {
		if err := e.extend(ctx, in.row); err != nil {
			in.trouble(ctx, "look at the claim", err)
			return
		}
		in.row.NextAt = database.At(e.now().Add(e.lease))
	}
	defer in.keepClaim(ctx)()
	if !in.load(ctx) {
		return
	}
	for in.advance(ctx) {
	}
}

// load reads what the row holds; what cannot be read is parked.
func (in *instance) load(ctx context.Context) bool {
	if in.resumed {
		if err := json.Unmarshal([]byte(in.row.History), &in.history); err != nil {
			in.history = []Entry{{At: in.engine.now(), Action: "resume", Outcome: "error", Detail: "the history could not be read: " + err.Error()}}
		}
	}
	in.last = decodeCause(in.row.Cause)
	state, err := in.def.decode(in.row.State)
	if err != nil {
		return in.park(ctx, fault.Internal.Wrap(err, "the state cannot be read by this version"))
	}
	in.state = state
	if in.row.Reached >= untold {
		in.cur.Reached = everywhere
		in.note("resume", "", "ok", "the process that held it ended without letting go")
	}
	if in.row.Crashes > crashLimit {
		return in.park(ctx, fault.Internal.Errorf("the process ended %d times while this saga ran", in.row.Crashes))
	}
	return true
}

// advance does the next thing and tells whether there is more to do.
func (in *instance) advance(ctx context.Context) bool {
	switch {
	case ctx.Err() != nil:
		return in.interrupted(ctx)
	case in.cur.Status == Running:
		return in.forward(ctx)
	case in.cur.Status == Compensating:
		return in.back(ctx)
	}
	return false
}

// attempt calls a step once, within its deadline. A panic is an error.
func (in *instance) attempt(ctx context.Context, limit time.Duration, key string, fn func(context.Context, string, any) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx = port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: "saga", Key: in.row.ID + "/" + key})
	defer in.recovered(ctx, &err)
	crashpoint.Hit(key, "before-step")
	err = fn(ctx, in.row.ID, in.state)
	crashpoint.Hit(key, "after-step")
	return err
}

func (in *instance) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		in.engine.log.ErrorContext(ctx, "a step panicked", "saga", in.row.Name, "id", in.row.ID, "panic", p, "stack", string(debug.Stack()))
		*err = fault.Internal.Wrap(fmt.Errorf("panic: %v", p), "something went wrong on our side")
	}
}

// keepClaim extends the claim until the returned function is called. Where that
// fails for as long as the claim lasts, somebody else may have the saga.
func (in *instance) keepClaim(ctx context.Context) (stop func()) {
	e := in.engine
	left := in.row.NextAt.Sub(e.now())
	beating, stop := context.WithCancel(ctx)
	go func() {
		held := time.Now().Add(left - e.lease) // the claim's beginning
		tick := time.NewTicker(e.lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
			}
			err := e.extend(beating, in.row)
			switch {
			case err == nil:
				held = time.Now()
			case beating.Err() != nil:
				return
			case errors.Is(err, errLost), time.Since(held) > e.lease:
				in.cancel(errLost)
				return
			}
		}
	}()
	return stop
}

// write stores where the saga is; hold keeps the claim.
func (in *instance) write(ctx context.Context, hold bool) error {
	if err := in.pack(); err != nil {
		return err
	}
	// A write that is under way is not given up because the process stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGo)
	defer cancel()
	in.cur.ClaimedBy = ""
	if hold {
		in.cur.ClaimedBy, in.cur.NextAt = in.engine.me, database.At(in.engine.now().Add(in.engine.lease))
	}
	return in.engine.save(ctx, in.row, in.cur)
}

func (in *instance) pack() error {
	if in.state != nil {
		text, err := json.Marshal(in.state)
		if err != nil {
			return fmt.Errorf("write the state of saga %s: %w", in.row.Name, err)
		}
		in.cur.State = string(text)
	}
	if over := len(in.history) - historyLimit; over > 0 {
		in.history = in.history[over:]
	}
	if in.history != nil {
		text, err := json.Marshal(in.history)
		if err != nil {
			return fmt.Errorf("write the history of saga %s: %w", in.row.Name, err)
		}
		in.cur.History = string(text)
	}
	return nil
}

// suspend lets go of the saga until pause has passed.
func (in *instance) suspend(ctx context.Context, pause time.Duration) bool {
	in.cur.NextAt = database.At(in.engine.now().Add(pause))
	if err := in.write(ctx, false); err != nil {
		return in.trouble(ctx, "wait for a retry", err)
	}
	if pause < pollEvery {
		time.AfterFunc(pause+time.Millisecond, in.engine.poke)
	}
	return false
}

// interrupted lets go of the saga because the process stops, so that another one
// need not wait for the claim to lapse. A lost claim is left alone.
func (in *instance) interrupted(ctx context.Context) bool {
	if errors.Is(context.Cause(ctx), errLost) {
		in.lost(ctx)
		return false
	}
	in.release(ctx)
	return false
}

func (in *instance) release(ctx context.Context) {
	if in.cur.ID == "" {
		in.cur = in.row
	}
	in.cur.NextAt = database.At(in.engine.now())
	if err := in.write(ctx, false); err != nil {
		in.trouble(ctx, "let go", err)
	}
}

// park hands the saga to a person.
func (in *instance) park(ctx context.Context, why *fault.Error) bool {
	in.note("park", "", "error", why.Error())
	in.cur.Resume, in.cur.Status = in.cur.Status, Parked
	if in.cur.Cause == "" {
		in.cur.Cause = encodeCause(why)
	}
	if err := in.write(ctx, false); err != nil {
		return in.trouble(ctx, "park", err)
	}
	in.ended(ctx, Parked)
	in.engine.log.ErrorContext(ctx, "a saga is parked and waits for a person", "saga", in.row.Name, "id", in.row.ID, "error", why)
	return false
}

// trouble reports a write that failed. The row stays as it was and is due again
// when the claim lapses.
func (in *instance) trouble(ctx context.Context, doing string, err error) bool {
	if errors.Is(err, errLost) {
		in.lost(ctx)
	} else {
		in.engine.log.ErrorContext(ctx, "a saga could not be written", "saga", in.row.Name, "id", in.row.ID, "doing", doing, "error", err)
	}
	return false
}

// lost reports that somebody else has the saga now: nothing of ours was written.
func (in *instance) lost(ctx context.Context) {
	in.engine.metrics.lose(in.row.Name)
	in.engine.log.WarnContext(ctx, "a saga was lost to another instance", "saga", in.row.Name, "id", in.row.ID)
}

func (in *instance) ended(ctx context.Context, s Status) {
	in.over = s
	took := in.engine.now().Sub(in.row.StartedAt.Time)
	in.engine.metrics.end(in.row.Name, s, took)
	in.engine.log.DebugContext(ctx, "a saga ended", "saga", in.row.Name, "id", in.row.ID, "status", string(s), "took", took)
}

func (in *instance) note(action, step, outcome, detail string) {
	for len(detail) > detailLimit {
		detail = detail[:detailLimit]
		for !utf8.ValidString(detail) {
			detail = detail[:len(detail)-1]
		}
	}
	in.history = append(in.history, Entry{At: in.engine.now(), Step: step, Action: action, Outcome: outcome, Detail: detail})
}

// backoff is the pause after the nth failed attempt: exponential, full jitter
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
func backoff(n int) time.Duration {
	most := longestPause
	if n < 10 { // 100 ms · 2^9 is above the cap
		most = min(most, firstPause<<(n-1))
	}
	return rand.N(most)
}
