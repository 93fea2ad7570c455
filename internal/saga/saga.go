// Package saga runs orchestrated sagas: persisted state machines whose steps
// are calls to other modules, with compensation, deadlines, bounded retries,
// resumption after a crash, and parking for a person.
package saga

import (
	"context"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/run"
)

// Step is one step. Do must be idempotent: after a crash it is repeated. Undo
// must tolerate that Do never happened; nil where there is nothing to undo.
type Step[S any] struct {
	Name     string
	Do       func(ctx context.Context, id string, s *S) error
	Undo     func(ctx context.Context, id string, s *S) error
	Deadline time.Duration // of one attempt; 10 s unless set
	Attempts int           // of Do, before compensation; 5 unless set
}

// Definition is a saga over state S, which is stored as JSON.
type Definition[S any] struct {
	Name    string
	Steps   []Step[S]
	Timeout time.Duration // of the whole way forward, then it compensates; 15 min unless set
	// Finish runs in the transaction that ends the saga well; an error with a
	// code that is not retryable compensates.
	Finish func(ctx context.Context, id string, s *S) error
	// Fail runs in the transaction that ends the saga after compensation.
	Fail func(ctx context.Context, id string, s *S, cause *fault.Error) error
}

// Engine runs the sagas of one module.
type Engine struct{}

// NewEngine makes the engine of the module that owns db.
func NewEngine(db *database.DB, now clock.Clock, log *slog.Logger) *Engine { panic("kit") }

// Saga starts instances of one definition.
type Saga[S any] struct{}

// Register adds a definition. Call before Task runs.
func Register[S any](e *Engine, d Definition[S]) *Saga[S] { panic("kit") }

// Start records a saga in the transaction that ctx carries; it runs as soon as
// that commits, in this process, else wherever it is found due.
func (s *Saga[S]) Start(ctx context.Context, id string, state S) error { panic("kit") }

// Task runs due sagas until its context ends.
func (e *Engine) Task() run.Task { panic("kit") }
