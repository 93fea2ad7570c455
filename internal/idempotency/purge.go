package idempotency

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/run"
)

const (
	purgeBatch = 500 // rows in one transaction, so that others get their turn
	purgeEvery = time.Hour
)

// Task forgets expired keys every hour. Any number of instances may run it.
func (k *Keys) Task(log *slog.Logger) run.Task {
	return run.Task{Name: k.db.Module() + " idempotency keys", Run: func(ctx context.Context) error {
		tick := time.NewTicker(purgeEvery)
		defer tick.Stop()
		for {
			if n, err := k.Purge(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "expired idempotency keys stay for an hour more", "error", err)
			} else if n > 0 {
				log.DebugContext(ctx, "forgot expired idempotency keys", "keys", n)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}
}

// Purge forgets all keys that have expired, in small transactions, and tells how
// many these were.
func (k *Keys) Purge(ctx context.Context) (int64, error) {
	skip := ""
	if k.db.Dialect() == database.Postgres {
		skip = " FOR UPDATE SKIP LOCKED" // another instance is at those
	}
	var all int64
	for {
		var n int64
		err := k.db.Atomic(ctx, func(ctx context.Context) error {
			res := k.db.Conn(ctx).Exec("DELETE FROM idempotency_keys WHERE (scope, key) IN ("+
				"SELECT scope, key FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"+skip+")",
				database.At(k.now()), purgeBatch)
			n = res.RowsAffected
			return res.Error
		})
		if err != nil {
			return all, fmt.Errorf("forget expired idempotency keys: %w", err)
		}
		all += n
		if n < purgeBatch {
			return all, nil
		}
	}
}
