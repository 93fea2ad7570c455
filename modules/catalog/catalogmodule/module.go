// Package catalogmodule puts the catalog together. It is the only door to its
// internals, and only the composition root may use it.
package catalogmodule

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/internal/core"
	"github.com/banyan-tree/banyan/modules/catalog/internal/store"
)

// Deps is what the catalog needs. It has no neighbours.
type Deps struct {
	DB      *database.DB
	Now     clock.Clock
	NewID   id.Source
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Module is the catalog, ready to be served.
type Module struct {
	Service  catalog.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer // nil: it listens to nobody
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	products := store.New(d.DB)
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).KeepLatest(catalog.Topic) // its events carry the whole state
	return &Module{
		Service: core.NewService(products, outbox, d.Now, d.NewID),
		Outbox:  outbox,
		Checks:  core.Checks(products),
	}, nil
}

// Migrations of everything that the catalog keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("catalog"), event.OutboxMigrations()}
}
