package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/saga"
)

// sagas are the engines of all modules that have one. Ids of sagas differ
// everywhere, so together they are as one.
type sagas []*saga.Engine

// list gives sagas of all modules, by id, and no more than f.Limit, which is 1 to 500.
// It tells whether there are more.
func (s sagas) list(ctx context.Context, f saga.Filter) (_ []saga.Info, more bool, err error) {
	all, limit := []saga.Info{}, f.Limit
	f.Limit++
	for _, engine := range s {
		infos, err := engine.List(ctx, f)
		if err != nil {
			return nil, false, err
		}
		all = append(all, infos...)
	}
	slices.SortFunc(all, func(a, b saga.Info) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), limit)], len(all) > limit, nil
}

// find gives a saga and the engine that runs it. Codes: fault.NotFound.
func (s sagas) find(ctx context.Context, id string) (*saga.Engine, saga.Info, error) {
	for _, engine := range s {
		info, err := engine.Show(ctx, id)
		if !errors.Is(err, fault.NotFound) {
			return engine, info, err
		}
	}
	return nil, saga.Info{}, fault.NotFound.Errorf("there is no saga %s: see \"app saga list\"", id)
}

// hurry ends all waiting for sagas, because the process is about to stop.
func (s sagas) hurry() {
	for _, engine := range s {
		engine.Hurry()
	}
}

// pressed tells that some module has taken on more than it can do soon.
func (s sagas) pressed() bool { return slices.ContainsFunc(s, (*saga.Engine).Pressed) }
