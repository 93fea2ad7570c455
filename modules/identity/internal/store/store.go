// Package store keeps identity's tables: users and their roles, sessions and
// their refresh tokens, attempts to log in and addresses where one succeeded,
// signing keys.
package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

// Store implements core.Store on the module's database.
type Store struct {
	*database.DB
}

var _ core.Store = (*Store)(nil)

// New makes the store.
func New(db *database.DB) *Store { return &Store{DB: db} }

// locking locks the rows of a query, where the transaction is not the lock already.
func (s *Store) locking(strength string) []clause.Expression {
	if s.Dialect() != database.Postgres {
		return nil
	}
	return []clause.Expression{clause.Locking{Strength: strength}}
}

const purgeBatch = 500 // rows in one transaction, so that others get their turn

// Purge implements core.Store. Rows at which another instance is are left to it.
func (s *Store) Purge(ctx context.Context, now, cutoff time.Time) error {
	skip := s.SkipLocked()
	for _, step := range []struct {
		sql string
		at  time.Time
	}{
		{"DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?" + skip + ")", now},
		{"DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?" + skip + ")", now},
		{"DELETE FROM log_in_attempts WHERE subject IN (SELECT subject FROM log_in_attempts WHERE since <= ? ORDER BY since LIMIT ?" + skip + ")", cutoff},
		{"DELETE FROM familiar_addresses WHERE subject IN (SELECT subject FROM familiar_addresses WHERE expires_at <= ? ORDER BY expires_at LIMIT ?" + skip + ")", now},
	} {
		_, err := s.InParts(ctx, purgeBatch, func(ctx context.Context) (int64, error) {
			tx := s.Conn(ctx).Exec(step.sql, database.At(step.at), purgeBatch)
			return tx.RowsAffected, tx.Error
		})
		if err != nil {
			return err
		}
	}
	return nil
}
