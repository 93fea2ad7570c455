// Package walletmodule puts the parts of wallet together. It is the only door to
// its internals, and only the composition root may use it.
package walletmodule

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
	"github.com/banyan-tree/banyan/modules/wallet/internal/store"
)

// Deps is what wallet needs.
type Deps struct {
	DB        *database.DB
	Now       clock.Clock
	NewID     id.Source
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Currency  string
	KeepSagas time.Duration    // after their end; saga.Keep says how long unless set
	Payments  payments.Service // charges the cards of deposits
}

// Module is wallet, ready to be served.
type Module struct {
	Service     wallet.Service
	Outbox      *event.Outbox
	Consumer    *event.Consumer
	Tasks       []run.Task
	Checks      []audit.Check
	Sagas       *saga.Engine
	Projections *eventstore.Feed
	// Fits says why wallets and the shop's currency do not go together.
	Fits func(ctx context.Context) error
	// Inherit frees what a crash left claimed. It is for a server that starts alone.
	Inherit func(ctx context.Context) error
}

// service is wallets and the deposits into them.
type service struct {
	*core.Service
	*core.Deposits
}

var _ wallet.Service = service{}

// New puts the module together. It touches no database.
func New(d Deps) (*Module, error) {
	kinds, err := core.Events()
	if err != nil {
		return nil, err
	}
	streams := eventstore.New(d.DB, kinds, d.Now, d.Log)
	books := store.New(d.DB, streams, eventstore.Metrics(d.Metrics))
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID)
	keys := idempotency.New(d.DB, d.Now)
	wallets := core.New(core.Deps{
		Store: books, Accounts: eventstore.Of(streams, core.Fold()), Outbox: outbox, Keys: keys,
		Now: d.Now, NewID: d.NewID, Log: d.Log, Currency: d.Currency,
	})
	sagas := saga.NewEngine(d.DB, d.Now, d.Log, saga.Metrics(d.Metrics), saga.Keep(d.KeepSagas))
	deposits := core.NewDeposits(core.DepositDeps{
		Store: store.Deposits{DB: d.DB}, Wallets: wallets, Payments: d.Payments, Sagas: sagas, Keys: keys,
		Now: d.Now, NewID: d.NewID, Currency: d.Currency,
	})

	consumer := event.NewConsumer(d.DB, d.Now)
	event.On(consumer, shipping.ShipmentDispatched, wallets.OnDispatched)
	event.On(consumer, orders.WasCancelled, wallets.OnCancelled)
	event.On(consumer, orders.WasDelivered, wallets.OnDelivered)

	return &Module{
		Service:     service{wallets, deposits},
		Outbox:      outbox,
		Consumer:    consumer,
		Tasks:       []run.Task{sagas.Task(), sagas.Upkeep(), streams.Snapshots(), books.Feed().Task(), keys.Task(d.Log)},
		Checks:      slices.Concat(wallets.Checks(), core.Ledger{Wallets: wallets, Deposits: deposits}.Checks(), sagas.Checks(), books.Feed().Checks()),
		Sagas:       sagas,
		Projections: books.Feed(),
		Fits:        wallets.Fits,
		Inherit: func(ctx context.Context) error {
			return errors.Join(sagas.Inherit(ctx), keys.Inherit(ctx), books.Feed().Inherit(ctx))
		},
	}, nil
}

// Migrations of everything that wallet keeps.
func Migrations() []database.Migrations {
	return []database.Migrations{
		migrations.Of("wallet"), eventstore.Migrations(), event.OutboxMigrations(), event.InboxMigrations(),
		saga.Migrations(), idempotency.Migrations(),
	}
}
