// Package searchmodule puts the parts of search together. It is the only door to
// its internals, and only the composition root may use it.
package searchmodule

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
	"github.com/banyan-tree/banyan/modules/search/internal/store"
)

// Deps is what search needs.
type Deps struct {
	DB       *database.DB
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer // nil: nothing is counted
	Currency string                // ISO 4217, of the price ranges
	Owners   Owners                // asked by the audit only, never by a question
}

// Owners are those whose data search has copies of.
type Owners = core.Owners

// Module is search, ready to be served.
type Module struct {
	Service  search.Service
	Outbox   *event.Outbox // nil: it tells nobody anything
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	fresh, err := freshness(d.Metrics, d.Now)
	if err != nil {
		return nil, err
	}
	svc := core.New(store.New(d.DB, d.Now), d.Now, d.NewID, d.Currency, fresh)
	to := svc.Live()
	consumer := event.NewConsumer(d.DB, d.Now)
	event.OnMany(consumer, catalog.WasChanged, to.OnProducts)
	event.OnMany(consumer, pricing.Changed, to.OnPrices)
	event.OnMany(consumer, inventory.Changed, to.OnLevels)
	consumer.Rebuild = func(ctx context.Context, since time.Time) (event.Rebuilding, error) {
		if !since.IsZero() {
			return svc.Repair(), nil
		}
		return svc.Rebuild(ctx)
	}
	return &Module{
		Service: svc, Consumer: consumer,
		Checks: svc.Checks(d.Owners),
		Tasks:  []run.Task{{Name: "search.tidy", Run: svc.Tidy(d.Log, core.Wait)}},
	}, nil
}

// Migrations of everything that search keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("search"), event.InboxMigrations()}
}
