// Package store keeps inventory's tables: stock, reservations, movements.
package store

import (
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
)

// Store implements core.Store on the module's database.
type Store struct {
	*database.DB
	now   clock.Clock
	newID id.Source
}

var _ core.Store = (*Store)(nil)

// New makes the store.
func New(db *database.DB, now clock.Clock, newID id.Source) *Store {
	return &Store{DB: db, now: now, newID: newID}
}
