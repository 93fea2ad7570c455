package store

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
)

// Remember notes a webhook event; false when it is known already.
func (s *Store) Remember(ctx context.Context, eventID string, now time.Time) (bool, error) {
	done := s.db.Conn(ctx).Exec(`INSERT INTO webhook_events (event_id, received_at) VALUES (?, ?) ON CONFLICT DO NOTHING`, eventID, database.At(now))
	return done.RowsAffected == 1, done.Error
}

// Forget drops at most limit webhook events received before the given time.
func (s *Store) Forget(ctx context.Context, before time.Time, limit int) (int64, error) {
	done := s.db.Conn(ctx).Exec(`DELETE FROM webhook_events WHERE event_id IN (
		SELECT event_id FROM webhook_events WHERE received_at < ? ORDER BY received_at LIMIT ?)`, database.At(before), limit)
	return done.RowsAffected, done.Error
}
