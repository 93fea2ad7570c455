// Package pricingmodule puts the parts of pricing together. It is the only door
// to its internals, and only the composition root may use it.
package pricingmodule

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
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/internal/core"
	"github.com/banyan-tree/banyan/modules/pricing/internal/store"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Deps is what pricing needs.
type Deps struct {
	DB       *database.DB
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Currency string // ISO 4217, of every price

	Catalog  catalog.Service
	Shipping shipping.Service
}

// Module is pricing, ready to be served.
type Module struct {
	Service  pricing.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
	// Fits says why prices and the shop's currency do not go together.
	Fits func(ctx context.Context) error
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).KeepLatest(pricing.Topic) // its events carry the whole state
	svc := core.New(core.Deps{
		Store: store.New(d.DB, d.Now, d.Currency), Events: outbox, Catalog: d.Catalog, Shipping: d.Shipping,
		Now: d.Now, NewID: d.NewID, Currency: d.Currency,
	})
	return &Module{
		Service: svc, Outbox: outbox, Checks: svc.Checks(), Fits: svc.Fits,
		Tasks: []run.Task{run.Every(time.Hour, "pricing.purge", d.Log, svc.Purge)},
	}, nil
}

// Migrations of everything that pricing keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("pricing"), event.OutboxMigrations()}
}
