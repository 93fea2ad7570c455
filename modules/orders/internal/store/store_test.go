package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/internal/core"
	"github.com/banyan-tree/banyan/modules/orders/internal/store"
)

func each(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), migrations.Of("orders")))
		test(t, store.Store{DB: db})
	})
}

func usd(amount int64) money.Money { return money.Of(amount, "USD") }

// full has something in every field.
func full(user string) *core.Order {
	at := clock.System()
	number := id.V7()
	return &core.Order{
		Order: orders.Order{
			ID: id.V7(), Number: number, UserID: user, Status: orders.Confirmed, Reason: "some",
			Lines:           []orders.Line{{SKU: "mug", Title: "A \"mug\" 🫖", Quantity: 2, UnitPrice: usd(1999), Total: usd(3998)}},
			Totals:          orders.Totals{Subtotal: usd(3998), Discount: usd(98), Shipping: usd(500), Tax: usd(390), Total: usd(4790)},
			ShippingAddress: orders.Address{Name: "Ada", Line1: "1", Line2: "2", City: "London", PostalCode: "SW1", Country: "GB"},
			ShippingMethod:  "express", PromoCode: "SPRING", PaymentMethod: orders.ByWallet, PaymentID: "pay", ShipmentID: "ship",
			History: []orders.Change{{At: at, Status: orders.Pending, Detail: "placed"}}, CreatedAt: at,
		},
		Version: 3, WeightGrams: 600, Refunded: usd(5), Cancelling: "saga", DeliveredEarly: true, UpdatedAt: at,
	}
}

func TestOrdersAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s store.Store) {
		o := full("ada")
		require.NoError(t, s.Atomic(t.Context(), func(ctx context.Context) error { return s.Insert(ctx, o) }))
		got, err := s.Get(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, o, got)

		changed := full("ada")
		changed.ID, changed.Number, changed.CreatedAt, changed.UserID = o.ID, o.Number, o.CreatedAt, o.UserID
		changed.Status, changed.Reason, changed.Version, changed.Cancelling = orders.Shipped, "", 4, ""
		changed.DeliveredEarly, changed.Totals.Discount, changed.Totals.Total = false, usd(0), usd(4888)
		changed.UpdatedAt = o.UpdatedAt.Add(time.Hour)
		require.NoError(t, s.Atomic(t.Context(), func(ctx context.Context) error {
			locked, err := s.Lock(ctx, o.ID)
			require.NoError(t, err)
			require.Equal(t, o, locked)
			return s.Update(ctx, changed)
		}))
		got, err = s.Get(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, changed, got)
	})
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s store.Store) {
		_, err := s.Get(t.Context(), "none")
		require.ErrorIs(t, err, orders.OrderNotFound)
		err = s.Atomic(t.Context(), func(ctx context.Context) error {
			_, err := s.Lock(ctx, "none")
			return err
		})
		require.ErrorIs(t, err, orders.OrderNotFound)
		require.Error(t, s.Insert(t.Context(), full("ada")), "writes need a transaction")
	})
}

func TestNumbersAreUnique(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s store.Store) {
		first, second := full("ada"), full("bob")
		second.Number = first.Number
		insert := func(o *core.Order) error {
			return s.Atomic(t.Context(), func(ctx context.Context) error { return s.Insert(ctx, o) })
		}
		require.NoError(t, insert(first))
		require.True(t, s.NumberTaken(insert(second)))
		require.False(t, s.NumberTaken(nil))
		require.False(t, s.NumberTaken(s.Insert(t.Context(), full("ada"))), "there is no transaction")
	})
}

func TestListIsNewestFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s store.Store) {
		var want []string
		for i := range 6 {
			o := full([]string{"ada", "bob"}[i%2])
			require.NoError(t, s.Atomic(t.Context(), func(ctx context.Context) error { return s.Insert(ctx, o) }))
			want = append([]string{o.ID}, want...)
		}
		ids := func(user, before string, limit int) []string {
			found, err := s.List(t.Context(), user, before, limit)
			require.NoError(t, err)
			var ids []string
			for _, o := range found {
				ids = append(ids, o.ID)
			}
			return ids
		}
		require.Equal(t, want, ids("", "", 10))
		require.Equal(t, want[2:4], ids("", want[1], 2))
		require.Equal(t, []string{want[0], want[2], want[4]}, ids("bob", "", 10))
		require.Equal(t, []string{want[4]}, ids("bob", want[2], 10))
		require.Empty(t, ids("eve", "", 10))
	})
}
