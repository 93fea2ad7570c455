package inventorytest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Shop is the context of a call that the shop itself makes.
func Shop() context.Context {
	return port.WithPrincipal(context.Background(), port.System("test"))
}

// MustStock sets how many of a SKU there are.
func MustStock(t *testing.T, svc inventory.Service, sku string, onHand int64) {
	t.Helper()
	_, err := svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: sku, OnHand: onHand}}})
	require.NoError(t, err)
}

// MustLevel reads a SKU's level.
func MustLevel(t *testing.T, svc inventory.Service, sku string) inventory.Level {
	t.Helper()
	reply, err := svc.Levels(Shop(), inventory.LevelsRequest{SKUs: []string{sku}})
	require.NoError(t, err)
	require.Len(t, reply.Items, 1)
	return reply.Items[0]
}

// Exercise checks an implementation against the contract. It uses SKUs and
// orders of its own, so it can run against a service that others use too.
func Exercise(t *testing.T, svc inventory.Service) {
	for name, test := range map[string]func(*testing.T, inventory.Service){
		"levels":          levels,
		"hold and commit": holdAndCommit,
		"all or nothing":  allOrNothing,
		"release":         release,
		"repeats":         repeats,
		"bad requests":    badRequests,
		"only the shop":   onlyTheShop,
		"same SKU twice":  sameSKUTwice,
		"last pieces":     lastPieces,
		"first counts":    firstCounts,
		"only new":        onlyNew,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, svc)
		})
	}
}

func sku(name string) string { return name + "-" + id.V7() }

func hold(svc inventory.Service, order string, lines ...inventory.Line) (inventory.Reservation, error) {
	return svc.Hold(Shop(), inventory.HoldRequest{OrderID: order, Lines: lines})
}

func of(order string) inventory.ReservationRequest {
	return inventory.ReservationRequest{OrderID: order}
}

func levels(t *testing.T, svc inventory.Service) {
	a, b := sku("a"), sku("b")
	reply, err := svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: b, OnHand: 2}, {SKU: a, OnHand: 5}}})
	require.NoError(t, err)
	require.Equal(t, 2, reply.Changed)

	reply, err = svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: a, OnHand: 5}, {SKU: b, OnHand: 3}}})
	require.NoError(t, err)
	require.Equal(t, 1, reply.Changed, "only what differs")

	got, err := svc.Levels(Shop(), inventory.LevelsRequest{SKUs: []string{b, "unknown-" + a, a}})
	require.NoError(t, err)
	require.Equal(t, []inventory.Level{{SKU: b, OnHand: 3, Available: 3}, {SKU: a, OnHand: 5, Available: 5}}, got.Items)
}

func holdAndCommit(t *testing.T, svc inventory.Service) {
	a, order := sku("a"), id.V7()
	MustStock(t, svc, a, 5)
	r, err := hold(svc, order, inventory.Line{SKU: a, Quantity: 3})
	require.NoError(t, err)
	require.Equal(t, inventory.Held, r.Status)
	require.False(t, r.ExpiresAt.IsZero())
	require.Equal(t, inventory.Level{SKU: a, OnHand: 5, Reserved: 3, Available: 2}, MustLevel(t, svc, a))

	_, err = svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: a, OnHand: 2}}})
	require.ErrorIs(t, err, inventory.InvalidStock, "below what is reserved")

	r, err = svc.Commit(Shop(), of(order))
	require.NoError(t, err)
	require.Equal(t, inventory.Committed, r.Status)
	require.Equal(t, inventory.Level{SKU: a, OnHand: 2, Available: 2}, MustLevel(t, svc, a))

	got, err := svc.Get(Shop(), of(order))
	require.NoError(t, err)
	require.Equal(t, inventory.Committed, got.Status)
	require.Equal(t, []inventory.Line{{SKU: a, Quantity: 3}}, got.Lines)
}

func allOrNothing(t *testing.T, svc inventory.Service) {
	a, b, order := sku("a"), sku("b"), id.V7()
	MustStock(t, svc, a, 5)
	MustStock(t, svc, b, 1)
	_, err := hold(svc, order, inventory.Line{SKU: a, Quantity: 1}, inventory.Line{SKU: b, Quantity: 2})
	require.ErrorIs(t, err, inventory.InsufficientStock)
	require.EqualValues(t, 5, MustLevel(t, svc, a).Available)
	require.EqualValues(t, 1, MustLevel(t, svc, b).Available)

	_, err = hold(svc, order, inventory.Line{SKU: a, Quantity: 1}, inventory.Line{SKU: sku("never"), Quantity: 1})
	require.ErrorIs(t, err, inventory.UnknownSKU)
	_, err = svc.Get(Shop(), of(order))
	require.ErrorIs(t, err, inventory.ReservationUnknown)
}

func release(t *testing.T, svc inventory.Service) {
	a, held, sold, never := sku("a"), id.V7(), id.V7(), id.V7()
	MustStock(t, svc, a, 5)
	_, err := hold(svc, held, inventory.Line{SKU: a, Quantity: 2})
	require.NoError(t, err)
	_, err = hold(svc, sold, inventory.Line{SKU: a, Quantity: 3})
	require.NoError(t, err)
	_, err = svc.Commit(Shop(), of(sold))
	require.NoError(t, err)

	for _, order := range []string{held, sold, never} {
		r, err := svc.Release(Shop(), of(order))
		require.NoError(t, err)
		require.Equal(t, inventory.Released, r.Status)
		_, err = hold(svc, order, inventory.Line{SKU: a, Quantity: 1})
		require.ErrorIs(t, err, inventory.ReservationExpired, "what was released is not held again")
		_, err = svc.Commit(Shop(), of(order))
		require.ErrorIs(t, err, inventory.ReservationExpired)
	}
	require.Equal(t, inventory.Level{SKU: a, OnHand: 5, Available: 5}, MustLevel(t, svc, a))
}

func repeats(t *testing.T, svc inventory.Service) {
	a, order := sku("a"), id.V7()
	MustStock(t, svc, a, 5)
	first, err := hold(svc, order, inventory.Line{SKU: a, Quantity: 2})
	require.NoError(t, err)
	again, err := hold(svc, order, inventory.Line{SKU: a, Quantity: 4})
	require.NoError(t, err)
	require.Equal(t, first.Lines, again.Lines)
	require.True(t, first.ExpiresAt.Equal(again.ExpiresAt))
	for range 3 {
		_, err = svc.Commit(Shop(), of(order))
		require.NoError(t, err)
	}
	require.Equal(t, inventory.Level{SKU: a, OnHand: 3, Available: 3}, MustLevel(t, svc, a))
	for range 3 {
		_, err = svc.Release(Shop(), of(order))
		require.NoError(t, err)
	}
	require.Equal(t, inventory.Level{SKU: a, OnHand: 5, Available: 5}, MustLevel(t, svc, a))
	_, err = svc.Commit(Shop(), of(id.V7()))
	require.ErrorIs(t, err, inventory.ReservationUnknown)
}

func badRequests(t *testing.T, svc inventory.Service) {
	a := sku("a")
	MustStock(t, svc, a, 5)
	for name, req := range map[string]inventory.HoldRequest{
		"no order": {Lines: []inventory.Line{{SKU: a, Quantity: 1}}},
		"no lines": {OrderID: id.V7()},
		"nothing":  {OrderID: id.V7(), Lines: []inventory.Line{{SKU: a}}},
		"negative": {OrderID: id.V7(), Lines: []inventory.Line{{SKU: a, Quantity: -1}}},
	} {
		_, err := svc.Hold(Shop(), req)
		require.ErrorIs(t, err, inventory.InvalidStock, name)
	}
	_, err := svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: a, OnHand: -1}}})
	require.ErrorIs(t, err, inventory.InvalidStock)
	_, err = svc.Release(Shop(), of(""))
	require.ErrorIs(t, err, inventory.InvalidStock)
	require.EqualValues(t, 5, MustLevel(t, svc, a).Available)
}

func onlyTheShop(t *testing.T, svc inventory.Service) {
	a, order := sku("a"), id.V7()
	MustStock(t, svc, a, 5)
	for name, p := range map[string]port.Principal{"customer": {Subject: "u1", Roles: []string{port.RoleCustomer}}, "nobody": {}} {
		ctx := port.WithPrincipal(context.Background(), p)
		_, err := svc.SetOnHand(ctx, inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: a, OnHand: 9}}})
		require.ErrorIs(t, err, fault.Forbidden, name)
		_, err = svc.Hold(ctx, inventory.HoldRequest{OrderID: order, Lines: []inventory.Line{{SKU: a, Quantity: 1}}})
		require.ErrorIs(t, err, fault.Forbidden, name)
		_, err = svc.Commit(ctx, of(order))
		require.ErrorIs(t, err, fault.Forbidden, name)
		_, err = svc.Release(ctx, of(order))
		require.ErrorIs(t, err, fault.Forbidden, name)
		_, err = svc.Get(ctx, of(order))
		require.ErrorIs(t, err, fault.Forbidden, name)
		levels, err := svc.Levels(ctx, inventory.LevelsRequest{SKUs: []string{a}})
		require.NoError(t, err, name)
		require.EqualValues(t, 5, levels.Items[0].Available, name)
	}
}

func sameSKUTwice(t *testing.T, svc inventory.Service) {
	a := sku("a")
	MustStock(t, svc, a, 5)
	_, err := hold(svc, id.V7(), inventory.Line{SKU: a, Quantity: 3}, inventory.Line{SKU: a, Quantity: 3})
	require.ErrorIs(t, err, inventory.InsufficientStock)
	r, err := hold(svc, id.V7(), inventory.Line{SKU: a, Quantity: 3}, inventory.Line{SKU: a, Quantity: 2})
	require.NoError(t, err)
	require.Equal(t, []inventory.Line{{SKU: a, Quantity: 5}}, r.Lines)
	require.Equal(t, inventory.Level{SKU: a, OnHand: 5, Reserved: 5}, MustLevel(t, svc, a))
}

// onlyNew sets what was never set, 0 or sold out or not, and nothing else.
func onlyNew(t *testing.T, svc inventory.Service) {
	a, b, c := sku("a"), sku("b"), sku("c")
	MustStock(t, svc, a, 5)
	MustStock(t, svc, b, 0)
	_, err := hold(svc, id.V7(), inventory.Line{SKU: a, Quantity: 3})
	require.NoError(t, err)
	for _, changed := range []int{1, 0} {
		reply, err := svc.SetOnHand(Shop(), inventory.SetOnHandRequest{
			OnlyNew: true, Levels: []inventory.OnHand{{SKU: c, OnHand: 7}, {SKU: a, OnHand: 2}, {SKU: b, OnHand: 7}},
		})
		require.NoError(t, err, "fewer of a than are reserved, but a stays")
		require.Equal(t, changed, reply.Changed)
		require.Equal(t, inventory.Level{SKU: a, OnHand: 5, Reserved: 3, Available: 2}, MustLevel(t, svc, a))
		require.Zero(t, MustLevel(t, svc, b).OnHand)
		require.EqualValues(t, 7, MustLevel(t, svc, c).OnHand)
	}
}

// firstCounts has many set the same SKUs for the first time at once: the last one
// counts, and nobody fails.
func firstCounts(t *testing.T, svc inventory.Service) {
	a, b := sku("a"), sku("b")
	errs := make(chan error, 16)
	for i := range 16 {
		go func() {
			n := int64(i%4 + 1)
			levels := []inventory.OnHand{{SKU: a, OnHand: n}, {SKU: b, OnHand: n}}
			if i%2 == 1 {
				levels[0], levels[1] = levels[1], levels[0]
			}
			_, err := svc.SetOnHand(Shop(), inventory.SetOnHandRequest{Levels: levels})
			errs <- err
		}()
	}
	for range 16 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, MustLevel(t, svc, a).OnHand, MustLevel(t, svc, b).OnHand, "each call is all or nothing")
}

// lastPieces has 64 buyers race for 6 pieces of two SKUs named in either order.
func lastPieces(t *testing.T, svc inventory.Service) {
	a, b := sku("a"), sku("b")
	MustStock(t, svc, a, 6)
	MustStock(t, svc, b, 6)
	var won atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 64 {
		wg.Go(func() {
			lines := []inventory.Line{{SKU: a, Quantity: 1}, {SKU: b, Quantity: 1}}
			if i%2 == 1 {
				lines[0], lines[1] = lines[1], lines[0]
			}
			order := id.V7()
			if _, err := hold(svc, order, lines...); err != nil {
				errs <- err
				return
			}
			if _, err := svc.Commit(Shop(), of(order)); err != nil {
				errs <- fmt.Errorf("commit: %w", err)
				return
			}
			won.Add(1)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.ErrorIs(t, err, inventory.InsufficientStock)
	}
	require.EqualValues(t, 6, won.Load())
	require.Equal(t, inventory.Level{SKU: a}, MustLevel(t, svc, a))
	require.Equal(t, inventory.Level{SKU: b}, MustLevel(t, svc, b))
}
