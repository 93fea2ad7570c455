package core

import (
	"context"
	"time"
)

// Generations are the indexes that there are: one that answers, at most one that
// is being built, and those that are to be removed.
type Generations interface {
	// Begin makes a generation to be built, under a token.
	Begin(ctx context.Context, token string) (int64, error)
	// Beat says that the builder is alive, and tells whether the generation is still its.
	Beat(ctx context.Context, generation int64, token string) (bool, error)
}

var _ = time.Second
