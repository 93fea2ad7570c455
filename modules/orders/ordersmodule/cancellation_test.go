package ordersmodule_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
	"github.com/banyan-tree/banyan/modules/shipping"
)

func TestCancelOfPendingOrderTurnsItsCheckoutBack(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		reached, release := make(chan struct{}), make(chan struct{})
		b.shop.Before(func(method, _ string) error {
			if method == "inventory.commit" {
				close(reached)
				<-release
			}
			return nil
		})
		stock := b.shop.Stock(orderstest.InStock)
		req := orderstest.Request(b.buyer(2), "tok_visa")
		req.WaitMillis = 0
		order, err := b.Service.Place(orderstest.As(req.UserID), req)
		require.NoError(t, err)
		<-reached
		var cancelling sync.WaitGroup
		cancelling.Go(func() {
			_, err := b.Service.Cancel(orderstest.As(req.UserID), orders.CancelRequest{OrderID: order.ID})
			if err != nil {
				t.Errorf("cancel: %v", err)
			}
		})
		require.Eventually(t, func() bool { return len(b.get(order.ID).History) == 2 }, patience, time.Millisecond, "the wish is noted")
		close(release)
		cancelling.Wait()
		b.becomes(order.ID, orders.Cancelled)
		require.Equal(t, []string{"orders.cancelled"}, b.published(order.ID))
		require.Equal(t, 1, b.shop.Calls("payments.void", order.ID))
		require.Equal(t, stock, b.shop.Stock(orderstest.InStock))
		require.Zero(t, b.shop.Calls("shipping.cancel_for_order", order.ID), "there never was anything to send")
	})
}

func TestCancelOutlastsTroubleOfShipping(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	order := b.place("tok_visa")
	failures := 0
	b.shop.Before(func(method, _ string) error {
		if method == "shipping.cancel_for_order" {
			if failures++; failures <= 3 {
				return fault.Unavailable.Errorf("shipping is away")
			}
		}
		return nil
	})
	_, err := b.Service.Cancel(orderstest.As(order.UserID), orders.CancelRequest{OrderID: order.ID})
	require.NoError(t, err)
	b.becomes(order.ID, orders.Cancelled)
	require.Equal(t, []string{"orders.confirmed", "orders.cancelled"}, b.published(order.ID))
}

// Cancel that came too late leaves the order as it is, and can be tried again.
func TestCancelTooLateKeepsTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	order := b.place("tok_visa")
	b.dispatch(order.ID)
	for range 2 {
		_, err := b.Service.Cancel(orderstest.As(order.UserID), orders.CancelRequest{OrderID: order.ID})
		require.ErrorIs(t, err, orders.NotCancellable)
	}
	require.Equal(t, orders.Confirmed, b.get(order.ID).Status)
	b.capture(order.ID)
	b.becomes(order.ID, orders.Shipped)
}

// An order whose shipment was stopped before it was made is never sent. It is
// cancelled, also where its promotion cannot be given back for a day.
func TestCancelEndsWhatIsNeverSent(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	req := orderstest.Request(b.buyer(2), "tok_visa")
	req.PromoCode = orderstest.Free
	order, err := b.Service.Place(orderstest.As(req.UserID), req)
	require.NoError(t, err)
	b.becomes(order.ID, orders.Confirmed)
	b.shop.Before(func(method, _ string) error {
		if method == "pricing.release_quote" {
			b.late.Store(int64(25 * time.Hour))
			return fault.Unavailable.Errorf("pricing is away")
		}
		return nil
	})
	_, err = b.Service.Cancel(orderstest.As(req.UserID), orders.CancelRequest{OrderID: order.ID})
	require.NoError(t, err)
	b.becomes(order.ID, orders.Cancelled)
	require.Equal(t, orders.CancelRequested, b.get(order.ID).Reason)
	require.Equal(t, []string{"orders.confirmed", "orders.cancelled"}, b.published(order.ID))
}

// An operator who ends a cancellation between its steps leaves no order that is
// confirmed and never sent: that the shipment was stopped is on record by then.
func TestCancelEndedByAnOperatorAfterTheStop(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	req := orderstest.Request(b.buyer(2), "tok_visa")
	req.PromoCode = orderstest.Free
	order, err := b.Service.Place(orderstest.As(req.UserID), req)
	require.NoError(t, err)
	b.becomes(order.ID, orders.Confirmed)
	reached, release := make(chan struct{}), make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	b.shop.Before(func(method, _ string) error {
		if method == "pricing.release_quote" {
			reach()
			<-release
		}
		return nil
	})
	var cancelling sync.WaitGroup
	cancelling.Go(func() {
		if _, err := b.Service.Cancel(orderstest.As(req.UserID), orders.CancelRequest{OrderID: order.ID}); err != nil {
			t.Errorf("cancel: %v", err)
		}
	})
	<-reached
	b.endsCancellation(release)
	require.Equal(t, orders.Cancelled, b.get(order.ID).Status)
	cancelling.Wait()
	require.Equal(t, []string{"orders.confirmed", "orders.cancelled"}, b.published(order.ID))
}

// endsCancellation ends the only cancellation as an operator does, while an attempt of it
// is held up until release is closed, and waits until it has gone back.
func (b *bundle) endsCancellation(release chan struct{}) {
	b.t.Helper()
	under, err := b.Sagas.List(b.t.Context(), saga.Filter{Name: "orders.cancellation"})
	require.NoError(b.t, err)
	require.Len(b.t, under, 1)
	require.NoError(b.t, b.Sagas.Compensate(b.t.Context(), under[0].ID))
	close(release)
	b.late.Store(int64(time.Minute)) // the attempt that was under way is over
	require.Eventually(b.t, func() bool {
		got, err := b.Sagas.Show(b.t.Context(), under[0].ID)
		return err == nil && got.Status == saga.Compensated
	}, patience, 5*time.Millisecond)
}

// Whether shipping stopped a shipment does not depend on whether its answer came. An
// operator who ends a cancellation whose answer was lost ends it as shipping has it.
func TestCancelEndedByAnOperatorAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		meanwhile func(*orderstest.Shop, string)
		status    string
		events    []string
	}{
		"it was stopped before it was made": {func(shop *orderstest.Shop, orderID string) {
			shop.Shipment(orderID, func(sh *shipping.Shipment) { sh.OrderID, sh.Status = orderID, shipping.Cancelled })
		}, orders.Cancelled, []string{"orders.confirmed", "orders.cancelled"}},
		"it never arrived": {func(*orderstest.Shop, string) {}, orders.Cancelled, []string{"orders.confirmed", "orders.cancelled"}},
		"it was sent":      {func(shop *orderstest.Shop, orderID string) { shop.Dispatched(orderID) }, orders.Confirmed, []string{"orders.confirmed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, testenv.SQLite(t, "test"))
			order := b.place("tok_visa")
			reached, release := make(chan struct{}), make(chan struct{})
			var lost atomic.Bool
			b.shop.Before(func(method, orderID string) error {
				if method != "shipping.cancel_for_order" || lost.Swap(true) {
					return nil
				}
				tc.meanwhile(b.shop, orderID)
				close(reached)
				<-release
				return fault.Unavailable.Errorf("shipping does not answer")
			})
			var cancelling sync.WaitGroup
			cancelling.Go(func() { // what it answers depends on when it looks
				_, _ = b.Service.Cancel(orderstest.As(order.UserID), orders.CancelRequest{OrderID: order.ID})
			})
			<-reached
			b.endsCancellation(release)
			require.Equal(t, tc.status, b.get(order.ID).Status)
			require.Equal(t, tc.events, b.published(order.ID))
			cancelling.Wait()
		})
	}
}

func TestStoppedShipmentCancelsTheOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	order := b.place("tok_visa")
	b.shipment(shipping.ShipmentCreated, order.ID)
	b.shipment(shipping.ShipmentCancelled, order.ID)
	got := b.get(order.ID)
	require.Equal(t, orders.Cancelled, got.Status)
	require.Equal(t, orders.ShipmentStopped, got.Reason)
	_, err := b.Service.Cancel(orderstest.As(order.UserID), orders.CancelRequest{OrderID: order.ID})
	require.NoError(t, err, "it is cancelled")
}

// However a cancel meets the checkout, the order ends cancelled and holds nothing
// that only the checkout could give back.
func TestCancelRacesCheckout(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		var races sync.WaitGroup
		ids := make(chan string, 32)
		for range cap(ids) {
			races.Go(func() {
				req := orderstest.Request(b.buyer(1), "tok_visa")
				req.WaitMillis = 0
				order, err := b.Service.Place(orderstest.As(req.UserID), req)
				if err == nil {
					_, err = b.Service.Cancel(orderstest.As(req.UserID), orders.CancelRequest{OrderID: order.ID})
				}
				if err != nil {
					t.Errorf("place and cancel: %v", err)
				}
				ids <- order.ID
			})
		}
		races.Wait()
		close(ids)
		require.NoError(t, b.Sagas.Drain(context.Background()))
		for orderID := range ids {
			require.Equal(t, orders.Cancelled, b.get(orderID).Status)
			r, err := b.shop.Inventory.Get(context.Background(), inventory.ReservationRequest{OrderID: orderID})
			switch events := b.published(orderID); len(events) {
			case 1: // the checkout turned back
				require.Equal(t, []string{"orders.cancelled"}, events)
				if err == nil {
					require.Equal(t, inventory.Released, r.Status)
				}
			default: // inventory hears of it by the event
				require.Equal(t, []string{"orders.confirmed", "orders.cancelled"}, events)
				require.Equal(t, inventory.Committed, r.Status)
			}
		}
	})
}
