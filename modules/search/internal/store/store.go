// Package store keeps search's pieces and documents, and answers questions from
// them, in the tables of migrations/search and no others. What SQLite and
// PostgreSQL do differently is in engine.go; everything else is the same.
package store

import (
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

// chunk bounds the rows of one statement: SQLite takes 32,766 parameters,
// PostgreSQL 65,535, and a document's row has 14.
const chunk = 1000

// Store implements core.Store on the module's database.
type Store struct {
	*database.DB
	now clock.Clock
	engine
}

var _ core.Store = (*Store)(nil)

// New makes the store of the module that owns db.
func New(db *database.DB, now clock.Clock) *Store {
	s := &Store{DB: db, now: now, engine: sqlite{}}
	if db.Dialect() == database.Postgres {
		s.engine = postgres{}
	}
	return s
}
