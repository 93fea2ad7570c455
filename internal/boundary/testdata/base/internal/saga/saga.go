// Package saga is as much of the kit as the corpus needs: steps run outside of a
// transaction, the end runs inside.
package saga

import (
	"context"

	"example.com/shop/internal/database"
)

type Step[S any] struct {
	Name string
	Do   func(ctx context.Context, id string, state *S) error
}

type Definition[S any] struct {
	Steps  []Step[S]
	Finish func(ctx context.Context, id string, state *S) error
}

type process struct {
	steps  []func(ctx context.Context, id string) error
	finish func(ctx context.Context, id string) error
}

type Engine struct {
	db        *database.DB
	processes []process
}

func NewEngine(db *database.DB) *Engine { return &Engine{db: db} }

func Register[S any](e *Engine, d Definition[S]) {
	var state S
	p := process{finish: func(ctx context.Context, id string) error { return d.Finish(ctx, id, &state) }}
	for _, step := range d.Steps {
		p.steps = append(p.steps, func(ctx context.Context, id string) error { return step.Do(ctx, id, &state) })
	}
	e.processes = append(e.processes, p)
}

func (e *Engine) Advance(ctx context.Context, id string) error {
	for _, p := range e.processes {
		for _, do := range p.steps {
			if err := do(ctx, id); err != nil {
				return err
			}
		}
		if err := e.db.Atomic(ctx, func(ctx context.Context) error { return p.finish(ctx, id) }); err != nil {
			return err
		}
	}
	return nil
}
