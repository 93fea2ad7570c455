package shippingtest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Harness is an implementation and the way by which events of orders reach it.
type Harness struct {
	Service shipping.Service
	Hear    func(events ...event.Event) error // returns once they were applied
}

// Shop is the context of a call that the shop itself makes.
func Shop() context.Context { return port.WithPrincipal(context.Background(), port.System("test")) }

// Staff is the context of a call by somebody who sends parcels.
func Staff() context.Context { return as("staff-1", port.RoleStaff) }

// User is the context of a call by a customer.
func User(userID string) context.Context { return as(userID, port.RoleCustomer) }

func as(subject, role string) context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: subject, Roles: []string{role}})
}

// Confirmed is the first event of an order that the user with the id "ada" made.
func Confirmed(orderID string) event.Event {
	return orders.WasConfirmed.New(orderID, 1, orders.OrderConfirmed{
		OrderID: orderID, Number: "B-" + orderID, UserID: "ada", ShippingMethod: shipping.Express, WeightGrams: 700,
		Address: orders.Address{Name: "Ada", Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4LB", Country: "GB"},
	})
}

// Cancelled is the event with this version of an order that was cancelled.
func Cancelled(orderID string, version int64) event.Event {
	return orders.WasCancelled.New(orderID, version, orders.OrderEnded{OrderID: orderID, UserID: "ada"})
}

// MustShip confirms a new order and gives its shipment.
func MustShip(t *testing.T, h Harness) shipping.Shipment {
	t.Helper()
	order := id.V7()
	require.NoError(t, h.Hear(Confirmed(order)))
	s, err := h.Service.ByOrder(Shop(), shipping.OrderRequest{OrderID: order})
	require.NoError(t, err)
	return s
}

// MustDispatch hands a shipment to a carrier.
func MustDispatch(t *testing.T, svc shipping.Service, shipmentID string) shipping.Shipment {
	t.Helper()
	s, err := svc.Dispatch(Staff(), shipping.DispatchRequest{ShipmentID: shipmentID, Carrier: "Banyan Post", TrackingNumber: "BP-1"})
	require.NoError(t, err)
	return s
}

// Exercise checks an implementation against the contract. It uses orders of its
// own, so it can run against a service that others use too.
func Exercise(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"rates":               rates,
		"confirmed":           confirmed,
		"whose":               whose,
		"transitions":         transitions,
		"bad requests":        badRequests,
		"cancelled too early": tooEarly,
		"cancelled event":     cancelledEvent,
		"confirm or cancel":   confirmOrCancel,
		"dispatch or cancel":  dispatchOrCancel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func rates(t *testing.T, h Harness) {
	var last shipping.RatesReply
	for _, grams := range []int64{0, 1, 999, 1000, 1001, 5000, 1_000_000} {
		got, err := h.Service.Rates(context.Background(), shipping.RatesRequest{Country: "US", WeightGrams: grams})
		require.NoError(t, err)
		require.Len(t, got.Items, 2)
		require.ElementsMatch(t, []string{shipping.Standard, shipping.Express}, []string{got.Items[0].Method, got.Items[1].Method})
		require.LessOrEqual(t, got.Items[0].Price.Amount, got.Items[1].Price.Amount, "cheapest first")
		for i, r := range got.Items {
			require.True(t, r.Price.IsPositive())
			require.NotEmpty(t, r.Carrier)
			require.LessOrEqual(t, r.MinDays, r.MaxDays)
			if last.Items != nil {
				require.GreaterOrEqual(t, r.Price.Amount, last.Items[i].Price.Amount, "heavier is not cheaper")
			}
		}
		last = got
		lower, err := h.Service.Rates(context.Background(), shipping.RatesRequest{Country: "us", WeightGrams: grams})
		require.NoError(t, err)
		require.Equal(t, got, lower)
	}
	for _, req := range []shipping.RatesRequest{{Country: "ZZ", WeightGrams: 1}, {}, {Country: "US", WeightGrams: 1_000_001}} {
		got, err := h.Service.Rates(context.Background(), req)
		require.NoError(t, err)
		require.Equal(t, []shipping.Rate{}, got.Items, "%+v", req)
	}
	_, err := h.Service.Rates(context.Background(), shipping.RatesRequest{Country: "US", WeightGrams: -1})
	require.ErrorIs(t, err, shipping.InvalidShipment)
}

func confirmed(t *testing.T, h Harness) {
	s := MustShip(t, h)
	require.Equal(t, shipping.Pending, s.Status)
	require.Equal(t, shipping.Express, s.Method)
	require.Equal(t, "ada", s.UserID)
	require.Equal(t, "London", s.Address.City)
	require.Nil(t, s.DispatchedAt)
	require.NoError(t, h.Hear(Confirmed(s.OrderID)), "events come at least once")
	again, err := h.Service.ByOrder(Shop(), shipping.OrderRequest{OrderID: s.OrderID})
	require.NoError(t, err)
	require.Equal(t, s, again)

	dispatched := MustDispatch(t, h.Service, s.ID)
	require.Equal(t, "BP-1", dispatched.TrackingNumber)
	require.NotNil(t, dispatched.DispatchedAt)
	delivered, err := h.Service.Deliver(Staff(), shipping.DeliverRequest{ShipmentID: s.ID})
	require.NoError(t, err)
	require.NotNil(t, delivered.DeliveredAt)
	got, err := h.Service.Get(User("ada"), shipping.GetRequest{ShipmentID: s.ID})
	require.NoError(t, err)
	require.Equal(t, delivered, got)
}

func whose(t *testing.T, h Harness) {
	s := MustShip(t, h)
	for who, c := range map[string]struct {
		ctx  context.Context
		want error
	}{
		"owner":    {User("ada"), nil},
		"staff":    {Staff(), nil},
		"shop":     {Shop(), nil},
		"stranger": {User("eve"), shipping.ShipmentNotFound},
		"nobody":   {context.Background(), shipping.ShipmentNotFound},
	} {
		_, err := h.Service.Get(c.ctx, shipping.GetRequest{ShipmentID: s.ID})
		require.ErrorIs(t, err, c.want, who)
		_, err = h.Service.ByOrder(c.ctx, shipping.OrderRequest{OrderID: s.OrderID})
		require.ErrorIs(t, err, c.want, who)
	}
	for _, ctx := range []context.Context{User("ada"), User("eve"), context.Background()} {
		_, err := h.Service.Dispatch(ctx, shipping.DispatchRequest{ShipmentID: s.ID, Carrier: "c", TrackingNumber: "t"})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.Deliver(ctx, shipping.DeliverRequest{ShipmentID: s.ID})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.CancelForOrder(ctx, shipping.OrderRequest{OrderID: s.OrderID})
		require.ErrorIs(t, err, fault.Forbidden)
	}
	_, err := h.Service.Get(Staff(), shipping.GetRequest{ShipmentID: id.V7()})
	require.ErrorIs(t, err, shipping.ShipmentNotFound)
	_, err = h.Service.Dispatch(Staff(), shipping.DispatchRequest{ShipmentID: id.V7(), Carrier: "c", TrackingNumber: "t"})
	require.ErrorIs(t, err, shipping.ShipmentNotFound)
}

// transitions tries each step from each status.
func transitions(t *testing.T, h Harness) {
	dispatch := func(s shipping.Shipment, tracking string) error {
		_, err := h.Service.Dispatch(Staff(), shipping.DispatchRequest{ShipmentID: s.ID, Carrier: "Banyan Post", TrackingNumber: tracking})
		return err
	}
	steps := map[string]func(s shipping.Shipment) error{
		"dispatch":       func(s shipping.Shipment) error { return dispatch(s, "BP-1") },
		"dispatch other": func(s shipping.Shipment) error { return dispatch(s, "BP-2") },
		"deliver": func(s shipping.Shipment) error {
			_, err := h.Service.Deliver(Staff(), shipping.DeliverRequest{ShipmentID: s.ID})
			return err
		},
		"cancel": func(s shipping.Shipment) error {
			reply, err := h.Service.CancelForOrder(Shop(), shipping.OrderRequest{OrderID: s.OrderID})
			if err == nil && !reply.Cancelled {
				err = fmt.Errorf("there was a shipment to cancel")
			}
			return err
		},
	}
	ways := map[string][]string{
		shipping.Pending:    {},
		shipping.Dispatched: {"dispatch"},
		shipping.Delivered:  {"dispatch", "deliver"},
		shipping.Cancelled:  {"cancel"},
	}
	bad, gone := error(shipping.InvalidTransition), error(shipping.AlreadyDispatched)
	for _, c := range []struct {
		from, step string
		want       error
		to         string
	}{
		{shipping.Pending, "dispatch", nil, shipping.Dispatched},
		{shipping.Pending, "deliver", bad, shipping.Pending},
		{shipping.Pending, "cancel", nil, shipping.Cancelled},
		{shipping.Dispatched, "dispatch", nil, shipping.Dispatched},
		{shipping.Dispatched, "dispatch other", bad, shipping.Dispatched},
		{shipping.Dispatched, "deliver", nil, shipping.Delivered},
		{shipping.Dispatched, "cancel", gone, shipping.Dispatched},
		{shipping.Delivered, "dispatch other", bad, shipping.Delivered},
		{shipping.Delivered, "deliver", nil, shipping.Delivered},
		{shipping.Delivered, "cancel", gone, shipping.Delivered},
		{shipping.Cancelled, "dispatch", bad, shipping.Cancelled},
		{shipping.Cancelled, "deliver", bad, shipping.Cancelled},
		{shipping.Cancelled, "cancel", nil, shipping.Cancelled},
	} {
		s := MustShip(t, h)
		for _, step := range ways[c.from] {
			require.NoError(t, steps[step](s))
		}
		require.ErrorIs(t, steps[c.step](s), c.want, "%s %s", c.from, c.step)
		after, err := h.Service.Get(Staff(), shipping.GetRequest{ShipmentID: s.ID})
		require.NoError(t, err)
		require.Equal(t, c.to, after.Status, "%s %s", c.from, c.step)
	}
}

func badRequests(t *testing.T, h Harness) {
	s := MustShip(t, h)
	long := fmt.Sprintf("%0201d", 0)
	for _, req := range []shipping.DispatchRequest{
		{TrackingNumber: "t"}, {Carrier: "c"}, {Carrier: " ", TrackingNumber: "t"}, {Carrier: "c", TrackingNumber: long}, {Carrier: long, TrackingNumber: "t"},
	} {
		req.ShipmentID = s.ID
		_, err := h.Service.Dispatch(Staff(), req)
		require.ErrorIs(t, err, shipping.InvalidShipment, "%+v", req)
	}
	_, err := h.Service.CancelForOrder(Shop(), shipping.OrderRequest{})
	require.ErrorIs(t, err, shipping.InvalidShipment)
}

// tooEarly cancels before the confirmation arrives: it then makes no shipment.
func tooEarly(t *testing.T, h Harness) {
	order := id.V7()
	for range 3 {
		reply, err := h.Service.CancelForOrder(Shop(), shipping.OrderRequest{OrderID: order})
		require.NoError(t, err)
		require.False(t, reply.Cancelled)
	}
	require.NoError(t, h.Hear(Confirmed(order), Cancelled(order, 2)))
	_, err := h.Service.ByOrder(Staff(), shipping.OrderRequest{OrderID: order})
	require.ErrorIs(t, err, shipping.ShipmentNotFound)
}

func cancelledEvent(t *testing.T, h Harness) {
	s := MustShip(t, h)
	require.NoError(t, h.Hear(Cancelled(s.OrderID, 2)))
	after, err := h.Service.Get(Staff(), shipping.GetRequest{ShipmentID: s.ID})
	require.NoError(t, err)
	require.Equal(t, shipping.Cancelled, after.Status)

	never := id.V7() // cancelled before it was confirmed
	require.NoError(t, h.Hear(Cancelled(never, 1)))
	_, err = h.Service.ByOrder(Staff(), shipping.OrderRequest{OrderID: never})
	require.ErrorIs(t, err, shipping.ShipmentNotFound)
}

// confirmOrCancel has both arrive at once: whichever is first, nothing is sent.
func confirmOrCancel(t *testing.T, h Harness) {
	for range 20 {
		order := id.V7()
		var reply shipping.CancelReply
		var heard, cancelled error
		var wg sync.WaitGroup
		wg.Go(func() { heard = h.Hear(Confirmed(order)) })
		wg.Go(func() { reply, cancelled = h.Service.CancelForOrder(Shop(), shipping.OrderRequest{OrderID: order}) })
		wg.Wait()
		require.NoError(t, heard)
		require.NoError(t, cancelled)
		s, err := h.Service.ByOrder(Shop(), shipping.OrderRequest{OrderID: order})
		if reply.Cancelled {
			require.NoError(t, err)
			require.Equal(t, shipping.Cancelled, s.Status)
		} else {
			require.ErrorIs(t, err, shipping.ShipmentNotFound)
		}
	}
}

// dispatchOrCancel has both at once: exactly one wins.
func dispatchOrCancel(t *testing.T, h Harness) {
	for range 20 {
		s := MustShip(t, h)
		var dispatched, cancelled error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, dispatched = h.Service.Dispatch(Staff(), shipping.DispatchRequest{ShipmentID: s.ID, Carrier: "c", TrackingNumber: "t"})
		})
		wg.Go(func() { _, cancelled = h.Service.CancelForOrder(Shop(), shipping.OrderRequest{OrderID: s.OrderID}) })
		wg.Wait()
		after, err := h.Service.Get(Shop(), shipping.GetRequest{ShipmentID: s.ID})
		require.NoError(t, err)
		if dispatched == nil {
			require.ErrorIs(t, cancelled, shipping.AlreadyDispatched)
			require.Equal(t, shipping.Dispatched, after.Status)
		} else {
			require.ErrorIs(t, dispatched, shipping.InvalidTransition)
			require.NoError(t, cancelled)
			require.Equal(t, shipping.Cancelled, after.Status)
		}
	}
}
