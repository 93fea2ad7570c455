package core_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/database/databasetest"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
	"github.com/banyan-tree/banyan/modules/inventory/internal/store"
)

// depot holds three SKUs for each order, in one transaction.
type depot struct {
	db      *database.DB
	service *core.Service
}

const stocked = 498 // SKUs, as cmd/app/bench has them

func newDepot(tb testing.TB, db *database.DB) *depot {
	tb.Helper()
	outbox := event.NewOutbox(db, clock.System, id.V7)
	d := &depot{db, core.New(store.New(db, clock.System, id.V7), outbox, clock.System, inventory.HoldTTL, slog.New(slog.DiscardHandler))}
	levels := make([]inventory.OnHand, stocked)
	for i := range levels {
		levels[i] = inventory.OnHand{SKU: sku(i), OnHand: 1_000_000}
	}
	_, err := d.service.SetOnHand(asShop(tb.Context()), inventory.SetOnHandRequest{Levels: levels, OnlyNew: true})
	require.NoError(tb, err)
	return d
}

func asShop(ctx context.Context) context.Context {
	return port.WithPrincipal(ctx, port.System("bench"))
}

func sku(n int) string { return fmt.Sprintf("BENCH-%05d", n+1) }

func (d *depot) hold(ctx context.Context) error {
	const third = stocked / 3
	_, err := d.service.Hold(asShop(ctx), inventory.HoldRequest{OrderID: id.V7(), Lines: []inventory.Line{
		{SKU: sku(rand.N(third)), Quantity: 1}, {SKU: sku(third + rand.N(third)), Quantity: 1}, {SKU: sku(2*third + rand.N(third)), Quantity: 1},
	}})
	return err
}

// written is what is in the tables.
type written struct{ Reservations, Reserved, Events int64 }

func (d *depot) written(tb testing.TB) (w written) {
	tb.Helper()
	require.NoError(tb, d.db.Conn(tb.Context()).Raw(`SELECT (SELECT count(*) FROM reservations WHERE status = 'held') AS reservations,
		(SELECT sum(reserved) FROM stock) AS reserved,
		(SELECT count(*) FROM outbox) AS events`).Scan(&w).Error)
	return w
}

func depotMigrations() []database.Migrations {
	return []database.Migrations{migrations.Of("inventory"), event.OutboxMigrations()}
}

// BenchmarkHold is the transaction of an order in which stock is taken on condition:
// the reservation, three rows of stock and an event for each of them.
func BenchmarkHold(b *testing.B) {
	d := newDepot(b, databasetest.CrowdDB(b, "inventory", depotMigrations()))
	before := d.written(b)
	n := databasetest.Crowd(b, d.hold)
	require.Equal(b, written{before.Reservations + n, before.Reserved + 3*n, before.Events + 3*n}, d.written(b))
}

// BenchmarkHoldBare is what it sends to SQLite, without our layers.
func BenchmarkHoldBare(b *testing.B) {
	databasetest.CrowdBare(b, "inventory", depotMigrations(), func(db *database.DB) databasetest.Work {
		d := newDepot(b, db)
		return databasetest.Work{Do: d.hold, Done: func(tb testing.TB) any { return d.written(tb) }}
	})
}

// What is measured does what is told of it.
func TestHoldIsMeasured(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), depotMigrations()...))
		d := newDepot(t, db)
		require.Equal(t, written{Events: stocked}, d.written(t))
		require.NoError(t, d.hold(t.Context()))
		require.Equal(t, written{1, 3, stocked + 3}, d.written(t))
	})
}
