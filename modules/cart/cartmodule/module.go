// Package cartmodule puts the parts of the cart together. It is the only door
// to its internals, and only the composition root may use it.
package cartmodule

import (
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
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/cart/internal/core"
	"github.com/banyan-tree/banyan/modules/cart/internal/store"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Deps is what the cart needs.
type Deps struct {
	DB       *database.DB
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Currency string // ISO 4217, of an empty cart's subtotal

	Catalog catalog.Service
	Pricing pricing.Service
}

// Module is the cart, ready to be served.
type Module struct {
	Service  cart.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	svc := core.New(core.Deps{
		Store: store.New(d.DB, d.Now, d.NewID), Catalog: d.Catalog, Pricing: d.Pricing,
		Now: d.Now, NewID: d.NewID, NewToken: core.Token, Currency: d.Currency,
	})
	consumer := event.NewConsumer(d.DB, d.Now)
	event.On(consumer, orders.WasConfirmed, svc.OnOrderConfirmed)

	return &Module{Service: svc, Consumer: consumer, Tasks: []run.Task{run.Every(time.Hour, "cart.purge", d.Log, svc.Purge)}}, nil
}

// Migrations of everything that the cart keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("cart"), event.InboxMigrations()}
}
