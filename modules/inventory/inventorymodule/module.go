// Package inventorymodule puts the parts of inventory together. It is the only
// door to its internals, and only the composition root may use it.
package inventorymodule

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
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
	"github.com/banyan-tree/banyan/modules/inventory/internal/store"
	"github.com/banyan-tree/banyan/modules/orders"
)

// gather is how long news wait for others to travel with; search shows a level a moment later; what is sold is asked here.
const gather = 200 * time.Millisecond

// Deps is what inventory needs.
type Deps struct {
	DB      *database.DB
	Now     clock.Clock
	NewID   id.Source
	Log     *slog.Logger
	Metrics prometheus.Registerer
	HoldTTL time.Duration // how long stock is reserved; inventory.HoldTTL unless set
}

// Module is inventory, ready to be served.
type Module struct {
	Service  inventory.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).Gather(gather).KeepLatest(inventory.Topic) // its events carry the whole state
	if d.HoldTTL <= 0 {
		d.HoldTTL = inventory.HoldTTL
	}
	svc := core.New(store.New(d.DB, d.Now, d.NewID), outbox, d.Now, d.HoldTTL, d.Log)

	consumer := event.NewConsumer(d.DB, d.Now)
	event.On(consumer, orders.WasCancelled, svc.OnOrderCancelled)

	return &Module{
		Service:  svc,
		Outbox:   outbox,
		Consumer: consumer,
		Tasks:    []run.Task{{Name: "inventory.expiry", Run: svc.Sweep}},
		Checks:   svc.Checks(),
	}, nil
}

// Migrations of everything that inventory keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("inventory"), event.OutboxMigrations(), event.InboxMigrations()}
}
