package ordersmodule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
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

// An order that is paid from a wallet is shipped when the wallet has paid; what
// the wallet does besides is none of its business.
func TestFulfilmentByWallet(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		user := b.buyer(2)
		order := orderstest.MustPlace(t, b.Service, user, orderstest.Wallet)
		require.Equal(t, orders.ByWallet, order.PaymentMethod)
		require.Zero(t, b.shop.Calls("payments.authorize", order.ID))
		require.Equal(t, 1_000_000-order.Totals.Total.Amount, b.shop.Credit(user))
		b.tell(func(v int64) event.Event {
			return wallet.WasDeposited.New(user, v, wallet.Changed{UserID: user, Reference: "deposit"})
		})
		b.dispatch(order.ID)
		require.Equal(t, orders.Confirmed, b.get(order.ID).Status, "not paid yet")
		b.captureHold(order.ID)
		require.Equal(t, orders.Shipped, b.get(order.ID).Status)
		b.deliver(order.ID)
		require.Equal(t, []string{"orders.confirmed", "orders.shipped", "orders.delivered"}, b.published(order.ID))
		b.tell(func(v int64) event.Event {
			return wallet.WasRefunded.New(user, v, wallet.Changed{UserID: user, Reference: order.ID, Amount: order.Totals.Total})
		})
		last := b.get(order.ID).History
		require.Equal(t, "refunded "+order.Totals.Total.String(), last[len(last)-1].Detail)
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

// What neighbours told is applied once, however often their logs are delivered.
func TestReplayRepeatsNothing(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open("orders"))
		b.keep(open)
		refund := func(orderID string, amount int64) {
			b.shop.Payment(orderID, func(p *payments.Payment) { p.Status, p.Refunded.Amount = payments.Refunded, p.Refunded.Amount+amount })
			b.payment(payments.PaymentRefunded, orderID, amount)
		}
		card, user := b.place("tok_visa"), b.buyer(2)
		credit := orderstest.MustPlace(t, b.Service, user, orderstest.Wallet)
		for _, o := range []orders.Order{card, credit} {
			b.dispatch(o.ID)
		}
		b.capture(card.ID)
		refund(card.ID, 300)
		refund(card.ID, 300)
		b.captureHold(credit.ID)
		b.deliver(card.ID)
		b.tell(func(v int64) event.Event {
			return wallet.WasRefunded.New(user, v, wallet.Changed{UserID: user, Reference: credit.ID, Amount: credit.Totals.Total})
		})
		want := []orders.Order{b.get(card.ID), b.get(credit.ID)}
		require.Len(t, want[0].History, 7, "placed, paid, handed over, on its way, refunded twice, delivered")
		require.Empty(t, b.audit(2*time.Minute))

		n, err := b.log.bus.Replay(t.Context(), "orders", time.Time{}, nil)
		require.NoError(t, err)
		require.EqualValues(t, 11, n)
		require.NoError(t, b.log.bus.Drain(t.Context()))
		require.Equal(t, want, []orders.Order{b.get(card.ID), b.get(credit.ID)})
		require.Empty(t, b.audit(2*time.Minute))
		refund(card.ID, 100) // what is new is still applied
		require.Len(t, b.get(card.ID).History, 8)
		require.Empty(t, b.audit(2*time.Minute))
	})
}

// Refunds of payments that do not tell yet what they gave back so far add up.
func TestRefundWithoutTotal(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	order := b.place("tok_visa")
	b.dispatch(order.ID)
	b.capture(order.ID)
	for range 2 {
		b.payment(payments.PaymentRefunded, order.ID, 300)
	}
	b.shop.Payment(order.ID, func(p *payments.Payment) { p.Status, p.Refunded.Amount = payments.Refunded, 600 })
	require.Empty(t, b.audit(2*time.Minute))
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
