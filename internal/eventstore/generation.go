package eventstore

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/database"
)

// turn lets a generation that has caught up serve in place of the one before: for
// readers in one instant, in one transaction. Readers never go back in time: the
// new one has at least what the old one has.
func (f *Feed) turn(ctx context.Context, g generation, own []generation) (turned bool, err error) {
	for _, o := range own {
		if o.State == Serving && o.Schema == g.Schema && o.Position > g.Position {
			return false, nil // it goes on first
		}
	}
	now := database.At(f.store.now())
	err = f.store.db.Atomic(ctx, func(ctx context.Context) error {
		if err := f.lease.check(ctx); err != nil {
			return err
		}
		conn := f.store.db.Conn(ctx)
		err := conn.Exec(`UPDATE stream_generations SET state = 'retired', turned_at = ? WHERE name = ? AND state = 'serving'`, now, g.Name).Error
		if err != nil {
			return err
		}
		tx := f.store.db.Conn(ctx).Exec(`UPDATE stream_generations SET state = 'serving', turned_at = ?
			WHERE name = ? AND generation = ? AND state = 'building'`, now, g.Name, g.Generation)
		if tx.Error != nil {
			return tx.Error
		}
		if tx.RowsAffected != 1 {
			return errLost
		}
		return f.store.db.Conn(ctx).Exec(`UPDATE stream_projections SET generation = ? WHERE name = ?`, g.Generation, g.Name).Error
	})
	if err != nil {
		return false, fmt.Errorf("let generation %d serve: %w", g.Generation, err)
	}
	f.store.log.InfoContext(ctx, "a projection was rebuilt and serves", "module", f.Module(), "projection", g.Name, "generation", g.Generation, "events", g.Applied)
	return true, nil
}

// drop deletes some rows of a generation that served, once nobody can be reading
// them, and at last the generation itself.
func (f *Feed) drop(ctx context.Context, p Projection, g generation) (more bool, err error) {
	if f.store.now().Sub(g.TurnedAt.Time) < f.grace {
		return false, nil
	}
	err = f.store.db.Atomic(ctx, func(ctx context.Context) error {
		more = true
		if err := f.lease.check(ctx); err != nil {
			return err
		}
		n, err := p.Drop(ctx, g.Generation, batchSize)
		if err != nil || n > 0 {
			return err
		}
		more = false
		return f.store.db.Conn(ctx).Where("name = ? AND generation = ? AND state = ?", g.Name, g.Generation, Retired).Delete(&generation{}).Error
	})
	if err != nil {
		return false, fmt.Errorf("delete generation %d: %w", g.Generation, err)
	}
	return more, nil
}
