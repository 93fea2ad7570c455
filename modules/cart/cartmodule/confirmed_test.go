package cartmodule_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/cart/carttest"
	"github.com/banyan-tree/banyan/modules/orders"
)

// confirmed is the event of an order that took lines of ada's cart.
func confirmed(t *testing.T, orderID string, basket ...orders.Taken) event.Envelope {
	t.Helper()
	data, err := json.Marshal(orders.OrderConfirmed{OrderID: orderID, UserID: "ada", Basket: basket})
	require.NoError(t, err)
	return event.Envelope{
		ID: "event-" + orderID, Source: "orders", Topic: orders.Topic, Type: orders.WasConfirmed.Name(),
		AggregateID: orderID, Version: 1, Time: clock.System(), Data: data,
	}
}

func basketOf(c cart.Cart) []orders.Taken {
	var basket []orders.Taken
	for _, l := range c.Lines {
		basket = append(basket, orders.Taken{SKU: l.SKU, Quantity: l.Quantity, Revision: l.Revision})
	}
	return basket
}

// A confirmed order takes what it bought, once; what was added or set again since
// it was placed stays.
func TestConfirmedOrderTakesWhatItBoughtOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db, clock.System)
		svc, ada := b.Module.Service, cart.Owner{UserID: "ada"}
		for _, sku := range []string{"fig", "ivy", "elm"} {
			b.Sell(t, sku, 100)
		}
		carttest.MustSet(t, svc, ada, "fig", 2)
		ordered := basketOf(carttest.MustSet(t, svc, ada, "ivy", 1))
		require.Len(t, ordered, 2)
		carttest.MustSet(t, svc, ada, "ivy", 1) // wanted once more
		carttest.MustSet(t, svc, ada, "elm", 3)

		require.NoError(t, b.Consumer.Deliver(t.Context(), []event.Envelope{confirmed(t, "o1", ordered...)}))
		left := []cart.CartRef{{SKU: "ivy", Quantity: 1}, {SKU: "elm", Quantity: 3}}
		require.Equal(t, left, carttest.Refs(carttest.MustGet(t, svc, ada)))

		carttest.MustSet(t, svc, ada, "fig", 1)
		again := confirmed(t, "o1", basketOf(carttest.MustGet(t, svc, ada))...)
		again.ID, again.Version = "event-o1-2", 2 // a log that is replayed from before carts listened
		require.NoError(t, b.Consumer.Deliver(t.Context(), []event.Envelope{confirmed(t, "o1", ordered...), again}))
		require.Len(t, carttest.MustGet(t, svc, ada).Lines, 3)
	})
}

// An order of an earlier version names no basket: its saga calls CheckOut.
func TestConfirmationWithoutBasketLeavesTheCartToItsSaga(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"), clock.System)
	svc, ada := b.Module.Service, cart.Owner{UserID: "ada"}
	b.Sell(t, "fig", 100)
	carttest.MustSet(t, svc, ada, "fig", 2)
	require.NoError(t, b.Consumer.Deliver(t.Context(), []event.Envelope{confirmed(t, "o1")}))
	require.Len(t, carttest.MustGet(t, svc, ada).Lines, 1)
	_, err := svc.CheckOut(carttest.Shop(), cart.CheckOutRequest{UserID: "ada", OrderID: "o1", Items: []cart.CartRef{{SKU: "fig", Quantity: 2}}})
	require.NoError(t, err)
	require.Empty(t, carttest.MustGet(t, svc, ada).Lines)
}
