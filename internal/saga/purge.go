package saga

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/run"
)

const (
	defaultKeep = 90 * 24 * time.Hour
	purgeEvery  = time.Hour
	purgeBatch  = 500
)

// Keep is how long ended sagas can be shown; 90 days unless set, at least as long as
// whoever starts one may repeat that: the same saga would be done again. Parked ones
// stay until a person has decided.
func Keep(d time.Duration) Option {
	return func(e *Engine) {
		if d > 0 {
			e.keep = d
		}
	}
}

// Upkeep forgets every hour what ended long ago. Any number of instances may run it.
func (e *Engine) Upkeep() run.Task {
	return run.Every(purgeEvery, "forget the ended sagas of "+e.db.Module(), e.log, func(ctx context.Context) error {
		_, err := e.Purge(ctx)
		return err
	})
}

// Purge forgets the sagas that ended longer ago than Keep says, and tells how many.
func (e *Engine) Purge(ctx context.Context) (int64, error) {
	skip, before := e.db.SkipLocked(), database.At(e.now().Add(-e.keep))
	n, err := e.db.InParts(ctx, purgeBatch, func(ctx context.Context) (int64, error) {
		done := e.db.Conn(ctx).Exec(`DELETE FROM sagas WHERE id IN (
			SELECT id FROM sagas WHERE status IN ('completed', 'compensated') AND updated_at < ?
			ORDER BY updated_at LIMIT ?`+skip+`)`, before, purgeBatch)
		return done.RowsAffected, done.Error
	})
	if err != nil {
		return n, fmt.Errorf("forget the ended sagas of %s: %w", e.db.Module(), err)
	}
	return n, nil
}
