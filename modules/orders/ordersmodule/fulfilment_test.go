package ordersmodule_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
)

func TestFulfilment(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		order := b.place("tok_visa")
		b.dispatch(order.ID)
		got := b.get(order.ID)
		require.Equal(t, orders.Confirmed, got.Status, "not paid yet")
		require.Equal(t, "ship-"+order.ID, got.ShipmentID)
		b.capture(order.ID)
		require.Equal(t, orders.Shipped, b.get(order.ID).Status)
		b.deliver(order.ID)
		require.Equal(t, orders.Delivered, b.get(order.ID).Status)
		require.Equal(t, []string{"orders.confirmed", "orders.shipped", "orders.delivered"}, b.published(order.ID))
	})
}

// Events of shipping and of payments come in any order between them, and the
// order ends the same.
func TestFulfilmentInAnyOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	rapid.Check(t, func(r *rapid.T) {
		order := b.place("tok_visa")
		parcel := []*event.Type[shipping.ShipmentChanged]{shipping.ShipmentCreated, shipping.ShipmentDispatched, shipping.ShipmentDelivered}
		money := []*event.Type[payments.PaymentChanged]{payments.PaymentAuthorised, payments.PaymentCaptured}
		for len(parcel)+len(money) > 0 {
			if len(money) == 0 || len(parcel) > 0 && rapid.Bool().Draw(r, "the parcel's turn") {
				b.shipment(parcel[0], order.ID)
				parcel = parcel[1:]
			} else {
				b.payment(money[0], order.ID, order.Totals.Total.Amount)
				money = money[1:]
			}
		}
		require.Equal(r, orders.Delivered, b.get(order.ID).Status)
		require.Equal(r, []string{"orders.confirmed", "orders.shipped", "orders.delivered"}, b.published(order.ID))
	})
}

// What is about no order, or comes when the order is settled, changes nothing.
func TestFulfilmentIgnoresWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	b.tell(func(v int64) event.Event {
		return payments.PaymentCaptured.New("pay-of-a-deposit", v, payments.PaymentChanged{PaymentID: "pay-of-a-deposit", OrderID: "deposit-1"})
	})
	order := b.place("tok_visa")
	_, err := b.Service.Cancel(t.Context(), orders.CancelRequest{OrderID: order.ID})
	require.ErrorIs(t, err, orders.OrderNotFound, "nobody is logged in")
	b.shipment(shipping.ShipmentCreated, order.ID)
	b.shipment(shipping.ShipmentCancelled, order.ID)
	b.capture(order.ID)
	require.Equal(t, orders.Cancelled, b.get(order.ID).Status)
	require.Equal(t, []string{"orders.confirmed", "orders.cancelled"}, b.published(order.ID))
}
