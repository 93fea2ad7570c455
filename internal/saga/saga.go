// Package saga runs orchestrated sagas: persisted state machines whose steps
// are calls to other modules, with compensation, deadlines, bounded retries,
// resumption after a crash, and parking for a person.
//
// A saga that meets no trouble costs one insert, in the transaction that starts
// it, and one update, in the transaction that ends it. In between, progress is
// written only when the saga waits for a retry, turns to compensation, parks, or
// passes a step marked Checkpoint. So after a crash the steps since the last
// write are done again, and a compensation undoes every step that may have been
// tried: Do must be idempotent, and Undo must tolerate that Do never happened.
//
// Whoever runs a saga holds a claim on its row: a name, an epoch, and a time at
// which the claim lapses unless it is extended. Every write names claim and epoch,
// so an instance that was paused and wakes changes nothing.
//
// What belongs here: how steps are driven. What does not: what any step does,
// and how a saga's failure is told to customers.
package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// Codes of causes that come from the engine itself.
var (
	// Timeout: the way forward took longer than Definition.Timeout. The detail
	// last_code names what the last attempt failed with, if one did.
	Timeout = fault.Define("saga.timeout", fault.KindDeadline)
	// Stopped: an operator asked for compensation.
	Stopped = fault.Define("saga.stopped", fault.KindConflict)
)

const (
	defaultDeadline     = 10 * time.Second
	defaultAttempts     = 5
	defaultUndoAttempts = 20
	defaultTimeout      = 15 * time.Minute
	awayPatience        = 24 * time.Hour // after the way forward was over: how long Undo waits for who is away
)

// Step is one step. Do must be idempotent: after a crash it is repeated. Undo
// must tolerate that Do never happened; nil where there is nothing to undo. What
// Do put into the state is lost by a crash before the next write, so Undo finds
// what to undo by the saga's id.
//
// Both run as port.System of the module, under the trace of who started the
// saga, with an idempotency key of their own (scope "saga", key
// "<saga id>/<step>", for Undo with "/undo" behind it), outside any transaction.
type Step[S any] struct {
	Name     string
	Do       func(ctx context.Context, id string, s *S) error
	Undo     func(ctx context.Context, id string, s *S) error
	Deadline time.Duration // of one attempt; 10 s unless set
	// Attempts of Do, before compensation; 5 unless set. Those that met nobody
	// (fault.Unavailable itself, no code of the neighbour's) do not count until Timeout.
	Attempts int

	// UndoAttempts of Undo, before the saga is parked; 20 unless set. Those that find
	// nobody there (KindUnavailable, KindDeadline) do not count for a day.
	UndoAttempts int
	Checkpoint   bool // write progress after Do: for a step that is dear to repeat, or that Fail must know of
}

// Definition is a saga over state S, which is stored as JSON.
type Definition[S any] struct {
	Name    string
	Steps   []Step[S]
	Timeout time.Duration // of the whole way forward, then it compensates; 15 min unless set
	// Finish runs in the transaction that ends the saga well; an error with a
	// code that is not retryable compensates.
	Finish func(ctx context.Context, id string, s *S) error
	// Fail runs in the transaction that ends the saga after compensation. An
	// error that stays parks the saga.
	Fail func(ctx context.Context, id string, s *S, cause *fault.Error) error
	// Hide takes what is secret out of a copy of the state that an operator is to
	// see. Nil where there is nothing secret in it.
	Hide func(s *S)
}

// Saga starts instances of one definition.
type Saga[S any] struct {
	engine *Engine
	def    *definition
}

// Register adds a definition. Call before Task runs. Names of definitions and
// steps are stored: they stay when the code changes, and steps keep their order
// as long as sagas are under way.
func Register[S any](e *Engine, d Definition[S]) *Saga[S] {
	def := &definition{
		name:    d.Name,
		timeout: orElse(d.Timeout, defaultTimeout),
		decode: func(text string) (any, error) {
			s := new(S)
			if err := json.Unmarshal([]byte(text), s); err != nil {
				return nil, fmt.Errorf("read the state of saga %s: %w", d.Name, err)
			}
			return s, nil
		},
		finish: func(ctx context.Context, id string, s any) error {
			if d.Finish == nil {
				return nil
			}
			return d.Finish(ctx, id, s.(*S))
		},
		fail: func(ctx context.Context, id string, s any, cause *fault.Error) error {
			if d.Fail == nil {
				return nil
			}
			return d.Fail(ctx, id, s.(*S), cause)
		},
		hide: func(s any) {
			if d.Hide != nil {
				d.Hide(s.(*S))
			}
		},
	}
	for _, st := range d.Steps {
		def.steps = append(def.steps, step{
			name:         st.Name,
			do:           erase(st.Do),
			undo:         erase(st.Undo),
			deadline:     orElse(st.Deadline, defaultDeadline),
			attempts:     orElse(st.Attempts, defaultAttempts),
			undoAttempts: orElse(st.UndoAttempts, defaultUndoAttempts),
			checkpoint:   st.Checkpoint,
		})
	}
	e.add(def)
	return &Saga[S]{engine: e, def: def}
}

// Start records a saga in the transaction that ctx carries; it runs as soon as
// that commits, in this process, else wherever it is found due. An id is used
// once per module: a second Start, or its commit, gives gorm.ErrDuplicatedKey in the chain.
func (s *Saga[S]) Start(ctx context.Context, id string, state S) error {
	e := s.engine
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the state of saga %s: %w", s.def.name, err)
	}
	now := e.now()
	r := row{
		ID: id, Name: s.def.name, State: string(text), Status: Running, Epoch: 1,
		NextAt: database.At(now), StartedAt: database.At(now), UpdatedAt: database.At(now),
		DeadlineAt:  database.At(now.Add(s.def.timeout)),
		TraceParent: telemetry.TraceParent(ctx),
		History:     "[]",
	}
	// With no worker to be had soon, the row is left for whoever polls first.
	mine := e.hasRoom()
	if mine {
		r.ClaimedBy, r.NextAt = e.me, database.At(now.Add(e.lease))
	}
	if err := e.db.Later(ctx).Create(&r).Error; err != nil {
		return fmt.Errorf("start saga %s %s: %w", s.def.name, id, err)
	}
	e.db.AfterCommit(ctx, func() {
		e.metrics.start(r.Name)
		if mine {
			e.submit(&instance{engine: e, def: s.def, row: r})
		} else {
			e.poke()
		}
	})
	return nil
}

// definition is a Definition without its type parameter.
type definition struct {
	name    string
	steps   []step
	timeout time.Duration
	decode  func(string) (any, error)
	finish  func(ctx context.Context, id string, s any) error
	fail    func(ctx context.Context, id string, s any, cause *fault.Error) error
	hide    func(s any)
}

type step struct {
	name         string
	do, undo     func(ctx context.Context, id string, s any) error // nil: nothing to do
	deadline     time.Duration
	attempts     int
	undoAttempts int
	checkpoint   bool
}

// stepName names the step at i; the ends of both ways have names of their own.
func (d *definition) stepName(i int) string {
	if i < 0 || i >= len(d.steps) {
		return ""
	}
	return d.steps[i].name
}

// slowest is the longest that one attempt can take.
func (d *definition) slowest() time.Duration {
	var longest time.Duration
	for _, s := range d.steps {
		longest = max(longest, s.deadline)
	}
	return longest
}

func erase[S any](fn func(context.Context, string, *S) error) func(context.Context, string, any) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, id string, s any) error { return fn(ctx, id, s.(*S)) }
}

func orElse[T int | time.Duration](v, unset T) T {
	if v <= 0 {
		return unset
	}
	return v
}
