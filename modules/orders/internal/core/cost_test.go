package core_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/database/databasetest"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/internal/core"
	"github.com/banyan-tree/banyan/modules/orders/internal/store"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// placed stands for the event of a new order. The shop publishes none: it tells
// others once the order is decided. With it the transaction writes no less than what
// cmd/app/bench compares it with.
type placed struct {
	OrderID string      `json:"order_id"`
	UserID  string      `json:"user_id"`
	Total   money.Money `json:"total"`
	Lines   int         `json:"lines"`
}

var wasPlaced = event.Define[placed](orders.Topic, "orders.placed")

// desk places and confirms orders of three lines, in a transaction each, without
// the saga between.
type desk struct {
	db      *database.DB
	store   store.Store
	outbox  *event.Outbox
	service *core.Service
	request orders.PlaceRequest
	basket  cart.Cart
	taken   []orders.Taken
	quote   pricing.Quote
}

func newDesk(db *database.DB) *desk {
	usd := func(amount int64) money.Money { return money.Of(amount, "USD") }
	d := &desk{
		db: db, store: store.Store{DB: db}, outbox: event.NewOutbox(db, clock.System, id.V7),
		request: orders.PlaceRequest{
			UserID: id.V7(), ShippingMethod: "standard", PaymentMethod: orders.ByCard, PaymentToken: "tok_visa",
			ShippingAddress: orders.Address{Name: "Ada", Line1: "1 Fig Lane", City: "Springfield", PostalCode: "12345", Country: "US"},
		},
		quote: pricing.Quote{ID: id.V7(), Subtotal: usd(4550), Discount: usd(0), Shipping: usd(500), Tax: usd(455), Total: usd(5505), Weight: 3600},
	}
	for i, price := range []int64{1500, 1500, 1550} {
		line := cart.Line{SKU: fmt.Sprintf("BENCH-%05d", 1+166*i), Title: "Bench plant", Quantity: 1, Revision: 1}
		d.basket.Lines = append(d.basket.Lines, line)
		d.taken = append(d.taken, orders.Taken{SKU: line.SKU, Quantity: 1, Revision: 1})
		d.quote.Lines = append(d.quote.Lines, pricing.QuoteLine{SKU: line.SKU, Title: line.Title, Quantity: 1, Unit: usd(price), Total: usd(price)})
	}
	d.service = core.NewService(core.Deps{
		Store: d.store, Events: d.outbox, Keys: idempotency.New(db, clock.System),
		Sagas: saga.NewEngine(db, clock.System, slog.New(slog.DiscardHandler)),
		Now:   clock.System, NewID: id.V7, Currency: "USD",
	})
	return d
}

func (d *desk) placeAndConfirm(ctx context.Context) error {
	order := core.NewOrder(id.V7(), "USD", d.request, d.basket, clock.System())
	order.Version = 1
	told := wasPlaced.New(order.ID, order.Version, placed{order.ID, order.UserID, d.quote.Total, len(order.Lines)})
	err := d.db.Atomic(ctx, func(ctx context.Context) error {
		if err := d.store.Insert(ctx, order); err != nil {
			return err
		}
		return d.outbox.Publish(ctx, told)
	})
	if err != nil {
		return err
	}
	return d.db.Atomic(ctx, func(ctx context.Context) error {
		return d.service.Confirm(ctx, order.ID, &core.Checkout{UserID: order.UserID, Basket: d.taken, Quote: &d.quote, PaymentID: "payment"})
	})
}

// written is what is in the tables.
type written struct{ Orders, Confirmed, Events int64 }

func (d *desk) written(tb testing.TB) (w written) {
	tb.Helper()
	require.NoError(tb, d.db.Conn(tb.Context()).Raw(`SELECT (SELECT count(*) FROM orders) AS orders,
		(SELECT count(*) FROM orders WHERE status = 'confirmed' AND version = 2 AND total = 5505) AS confirmed,
		(SELECT count(*) FROM outbox) AS events`).Scan(&w).Error)
	return w
}

func deskMigrations() []database.Migrations {
	return []database.Migrations{migrations.Of("orders"), event.OutboxMigrations()}
}

// BenchmarkPlaceAndConfirm is two transactions of an order: it comes with its event,
// and it is confirmed with its event.
func BenchmarkPlaceAndConfirm(b *testing.B) {
	d := newDesk(databasetest.CrowdDB(b, "orders", deskMigrations()))
	before := d.written(b)
	n := databasetest.Crowd(b, d.placeAndConfirm)
	require.Equal(b, written{before.Orders + n, before.Confirmed + n, before.Events + 2*n}, d.written(b))
}

// BenchmarkPlaceAndConfirmBare is what these send to SQLite, without our layers.
func BenchmarkPlaceAndConfirmBare(b *testing.B) {
	databasetest.CrowdBare(b, "orders", deskMigrations(), func(db *database.DB) databasetest.Work {
		d := newDesk(db)
		return databasetest.Work{Do: d.placeAndConfirm, Done: func(tb testing.TB) any { return d.written(tb) }}
	})
}

// What is measured does what is told of it.
func TestPlaceAndConfirmIsMeasured(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), deskMigrations()...))
		d := newDesk(db)
		require.NoError(t, d.placeAndConfirm(t.Context()))
		require.Equal(t, written{1, 1, 2}, d.written(t))
		found, err := d.store.List(t.Context(), d.request.UserID, "", 10)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Len(t, found[0].Lines, 3)
		require.Len(t, found[0].History, 2)
	})
}
