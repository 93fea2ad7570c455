// Package store keeps payments, the provider's operations and its webhook
// events. It touches no other tables and decides nothing.
package store

import (
	"context"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
)

// Store is the payments' part of the database.
type Store struct{ db *database.DB }

var _ core.Store = (*Store)(nil)

// New makes the store over the module's handle.
func New(db *database.DB) *Store { return &Store{db: db} }

// Atomic runs fn in one write transaction.
func (s *Store) Atomic(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.Atomic(ctx, fn)
}

// AfterCommit runs fn when the transaction of ctx has committed.
func (s *Store) AfterCommit(ctx context.Context, fn func()) { s.db.AfterCommit(ctx, fn) }
