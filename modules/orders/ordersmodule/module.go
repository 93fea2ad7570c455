// Package ordersmodule joins the parts of the orders context: it is the only
// public door to them.
package ordersmodule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/internal/core"
	"github.com/banyan-tree/banyan/modules/orders/internal/store"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// lease is how long after a crash another process takes a checkout over: a
// shopper waits for it. It is extended at each third, so a pause of some
// seconds costs nothing.
const lease = 10 * time.Second

// gather is how long news wait for others to travel with; what follows a confirmation takes hours: nobody sees whether the parcel is begun at once.
const gather = 20 * time.Millisecond

// Deps are what the module requires. Metrics may be nil.
type Deps struct {
	DB        *database.DB
	Now       clock.Clock
	NewID     id.Source // sortable by time: orders are listed by it
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Currency  string        // of the store, ISO 4217
	KeepSagas time.Duration // after their end; saga.Keep says how long unless set

	Cart      cart.Service
	Pricing   pricing.Service
	Inventory inventory.Service
	Payments  payments.Service
	Shipping  shipping.Service
	Wallet    wallet.Service
}

// Module is what the shop runs of this context.
type Module struct {
	Service  orders.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
	Sagas    *saga.Engine // for operators
	// Inherit ends what processes claimed that are known to be gone.
	Inherit func(ctx context.Context) error
}

// New joins the module. It touches no database.
func New(d Deps) (*Module, error) {
	switch {
	case d.DB == nil || d.Now == nil || d.NewID == nil || d.Log == nil:
		return nil, errors.New("orders: DB, Now, NewID and Log are required")
	case len(d.Currency) != 3:
		return nil, errors.New("orders: the store's currency must be an ISO 4217 code such as USD")
	case d.Cart == nil || d.Pricing == nil || d.Inventory == nil || d.Payments == nil || d.Shipping == nil || d.Wallet == nil:
		return nil, errors.New("orders: Cart, Pricing, Inventory, Payments, Shipping and Wallet are required")
	}
	decided, err := newMetrics(d.Metrics)
	if err != nil {
		return nil, err
	}
	sagas := saga.NewEngine(d.DB, d.Now, d.Log, saga.Metrics(d.Metrics), saga.Lease(lease), saga.Keep(d.KeepSagas))
	keys := idempotency.New(d.DB, d.Now)
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).Gather(gather)
	service := core.NewService(core.Deps{
		Store: store.Store{DB: d.DB}, Events: outbox, Sagas: sagas, Keys: keys,
		Now: d.Now, NewID: d.NewID, Currency: d.Currency, Decided: decided,
		Cart: d.Cart, Pricing: d.Pricing, Inventory: d.Inventory, Payments: d.Payments, Shipping: d.Shipping, Wallet: d.Wallet,
	})
	consumer := event.NewConsumer(d.DB, d.Now)
	service.Follow(consumer)
	return &Module{
		Service: service, Outbox: outbox, Consumer: consumer,
		Tasks:  []run.Task{sagas.Task(), sagas.Upkeep(), keys.Task(d.Log)},
		Checks: append(service.Checks(), sagas.Checks()...),
		Sagas:  sagas,
		Inherit: func(ctx context.Context) error {
			return errors.Join(sagas.Inherit(ctx), keys.Inherit(ctx))
		},
	}, nil
}

// Migrations are the module's tables.
func Migrations() []database.Migrations {
	return []database.Migrations{
		migrations.Of("orders"),
		event.OutboxMigrations(), event.InboxMigrations(), idempotency.Migrations(), saga.Migrations(),
	}
}
