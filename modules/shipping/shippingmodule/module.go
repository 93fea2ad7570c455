// Package shippingmodule puts the parts of shipping together. It is the only
// door to its internals, and only the composition root may use it.
package shippingmodule

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
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/internal/core"
	"github.com/banyan-tree/banyan/modules/shipping/internal/store"
)

// gather is how long news wait for others to travel with; what follows a shipment is done by people.
const gather = 20 * time.Millisecond

// Deps is what shipping needs.
type Deps struct {
	DB       *database.DB
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Currency string // ISO 4217, of the rates
}

// Module is shipping, ready to be served.
type Module struct {
	Service  shipping.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).Gather(gather)
	svc := core.New(store.New(d.DB), outbox, core.Rates{Currency: d.Currency}, d.Now, d.NewID)

	consumer := event.NewConsumer(d.DB, d.Now)
	event.On(consumer, orders.WasConfirmed, svc.OnOrderConfirmed)
	event.On(consumer, orders.WasCancelled, svc.OnOrderCancelled)

	return &Module{Service: svc, Outbox: outbox, Consumer: consumer, Checks: svc.Checks()}, nil
}

// Migrations of everything that shipping keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("shipping"), event.OutboxMigrations(), event.InboxMigrations()}
}
