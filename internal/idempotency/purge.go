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
	purgeBatch = 500
	purgeEvery = time.Hour
)

// Task forgets expired keys every hour. Any number of instances may run it.
func (k *Keys) Task(log *slog.Logger) run.Task {
	return run.Every(purgeEvery, "forget the expired idempotency keys of "+k.db.Module(), log, func(ctx context.Context) error {
		_, err := k.Purge(ctx)
		return err
	})
}

// Purge forgets all keys that have expired, and tells how many these were.
func (k *Keys) Purge(ctx context.Context) (int64, error) {
	skip := k.db.SkipLocked()
	n, err := k.db.InParts(ctx, purgeBatch, func(ctx context.Context) (int64, error) {
		res := k.db.Conn(ctx).Exec("DELETE FROM idempotency_keys WHERE (scope, key) IN ("+
			"SELECT scope, key FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"+skip+")",
			database.At(k.now()), purgeBatch)
		return res.RowsAffected, res.Error
	})
	if err != nil {
		return n, fmt.Errorf("forget expired idempotency keys: %w", err)
	}
	return n, nil
}
