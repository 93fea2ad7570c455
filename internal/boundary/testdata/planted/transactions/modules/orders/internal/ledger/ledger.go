// Package ledger keeps a second database, which a module should not have.
package ledger

import (
	"context"

	"example.com/shop/internal/database"
)

type Ledger struct{ db *database.DB }

func New(db *database.DB) *Ledger { return &Ledger{db} }

func (l *Ledger) Atomic(ctx context.Context, fn func(ctx context.Context) error) error {
	return l.db.Atomic(ctx, fn)
}

func (l *Ledger) Count(ctx context.Context) error { return l.db.Conn(ctx).Error }
