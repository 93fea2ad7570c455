package inventorymodule_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorymodule"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
)

func setup(t *testing.T, db *database.DB, now clock.Clock) *inventorymodule.Module {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), inventorymodule.Migrations()...))
	m, err := inventorymodule.New(inventorymodule.Deps{DB: db, Now: now, NewID: id.V7, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return m
}

func requireClean(t *testing.T, m *inventorymodule.Module) {
	t.Helper()
	for _, check := range m.Checks {
		examined, err := check.Run(context.Background(), func(subject, detail string) {
			require.Fail(t, check.Rule, "%s: %s", subject, detail)
		})
		require.NoError(t, err)
		require.Positive(t, examined, check.Rule)
	}
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		t.Cleanup(func() { requireClean(t, m) })
		porttest.Ways(t, func(s *port.Server) { inventory.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			inventorytest.Exercise(t, inventory.NewClient(conn))
		})
	})
}

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	inventorytest.Exercise(t, inventorytest.NewFake())
}

func TestHoldsExpire(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		m := setup(t, db, now.Now)
		inventorytest.MustStock(t, m.Service, "fig", 3)
		_, err := m.Service.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: "o1", Lines: []inventory.Line{{SKU: "fig", Quantity: 2}}})
		require.NoError(t, err)

		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		now.Advance(inventory.HoldTTL + time.Second)
		go func() { _ = m.Tasks[0].Run(ctx) }()
		require.Eventually(t, func() bool {
			return inventorytest.MustLevel(t, m.Service, "fig").Available == 3
		}, 2*time.Minute, 20*time.Millisecond)
		_, err = m.Service.Commit(inventorytest.Shop(), inventory.ReservationRequest{OrderID: "o1"})
		require.ErrorIs(t, err, inventory.ReservationExpired)
		requireClean(t, m)
	})
}

// How long a hold lasts can be set; without a setting it is inventory.HoldTTL.
func TestHoldTTL(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for given, want := range map[time.Duration]time.Duration{0: inventory.HoldTTL, time.Second: time.Second} {
		db := testenv.SQLite(t, "inventory")
		require.NoError(t, db.Migrate(t.Context(), inventorymodule.Migrations()...))
		m, err := inventorymodule.New(inventorymodule.Deps{
			DB: db, Now: func() time.Time { return now }, NewID: id.V7, Log: slog.New(slog.DiscardHandler), HoldTTL: given,
		})
		require.NoError(t, err)
		inventorytest.MustStock(t, m.Service, "fig", 3)
		held, err := m.Service.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: "o1", Lines: []inventory.Line{{SKU: "fig", Quantity: 2}}})
		require.NoError(t, err)
		require.Equal(t, now.Add(want), held.ExpiresAt)
	}
}

// The audit must see what the rules were made to prevent.
func TestAuditSeesDamage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		inventorytest.MustStock(t, m.Service, "fig", 3)
		inventorytest.MustStock(t, m.Service, "ivy", 3)
		for _, sku := range []string{"fig", "ivy"} {
			_, err := m.Service.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: sku, Lines: []inventory.Line{{SKU: sku, Quantity: 2}}})
			require.NoError(t, err)
		}
		_, err := m.Service.Commit(inventorytest.Shop(), inventory.ReservationRequest{OrderID: "ivy"})
		require.NoError(t, err)
		requireClean(t, m)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return errors.Join(
				db.Conn(ctx).Exec("UPDATE stock SET on_hand = 7, reserved = 1 WHERE sku = 'fig'").Error,
				db.Conn(ctx).Exec("UPDATE movements SET quantity = -1 WHERE kind = 'sold'").Error,
				db.Conn(ctx).Exec("UPDATE stock SET on_hand = 2 WHERE sku = 'ivy'").Error, // so that its own sum is right
			)
		}))
		var details []string
		for _, check := range m.Checks {
			_, err = check.Run(t.Context(), func(subject, detail string) { details = append(details, subject+": "+detail) })
			require.NoError(t, err)
		}
		require.Equal(t, []string{
			"sku fig: on hand is 7, its movements add up to 3",
			"sku fig: reserved is 1, its held reservations add up to 2",
			"order ivy: it is committed, but its movements of ivy are off by 1",
		}, details)
	})
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[inventory.Service](),
		porttest.Served(func(s *port.Server) { inventory.Serve(s, inventorytest.NewFake()) })...)
}
