package carttest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/cart"
)

func mergeInto(o cart.Owner, guest cart.Owner) cart.MergeRequest {
	return cart.MergeRequest{UserID: o.UserID, GuestToken: guest.GuestToken}
}

func merge(t *testing.T, h Harness) {
	both, much, new, o, guest := h.sold(t, 1), h.sold(t, 1), h.sold(t, 1), user(), MustOpen(t, h.Service)
	MustSet(t, h.Service, o, both, 2)
	MustSet(t, h.Service, o, much, 60)
	MustSet(t, h.Service, guest, much, 50)
	MustSet(t, h.Service, guest, both, 3)
	MustSet(t, h.Service, guest, new, 1)
	for range 3 {
		reply, err := h.Service.Merge(User(o.UserID), mergeInto(o, guest))
		require.NoError(t, err)
		require.Equal(t, 3, reply.Lines)
		require.ElementsMatch(t, []cart.CartRef{{SKU: both, Quantity: 5}, {SKU: much, Quantity: 99}, {SKU: new, Quantity: 1}}, Refs(MustGet(t, h.Service, o)))
	}
	_, err := h.Service.Get(context.Background(), cart.GetRequest{Owner: guest})
	require.ErrorIs(t, err, cart.UnknownToken, "the guest's cart is gone")

	later := user()
	for name, req := range map[string]cart.MergeRequest{
		"somebody else's by now": mergeInto(later, guest),
		"never there":            {UserID: later.UserID, GuestToken: "forged"},
		"no token":               {UserID: later.UserID},
		"empty":                  mergeInto(later, MustOpen(t, h.Service)),
	} {
		reply, err := h.Service.Merge(Shop(), req)
		require.NoError(t, err, name)
		require.Zero(t, reply.Lines, name)
	}
	require.Empty(t, MustGet(t, h.Service, later).Lines)
}

// mergeTooMuch merges into a cart with room for one more: the user's own stay.
func mergeTooMuch(t *testing.T, h Harness) {
	o, guest := user(), MustOpen(t, h.Service)
	var own []string
	for range cart.MaxLines - 1 {
		own = append(own, h.sold(t, 1))
		MustSet(t, h.Service, o, own[len(own)-1], 1)
	}
	MustSet(t, h.Service, guest, h.sold(t, 1), 1)
	MustSet(t, h.Service, guest, h.sold(t, 1), 1)
	MustSet(t, h.Service, guest, own[7], 4)
	reply, err := h.Service.Merge(User(o.UserID), mergeInto(o, guest))
	require.NoError(t, err)
	require.Equal(t, 2, reply.Lines)
	c := MustGet(t, h.Service, o)
	require.Len(t, c.Lines, cart.MaxLines)
	require.Contains(t, Refs(c), cart.CartRef{SKU: own[7], Quantity: 5})
	for _, sku := range own {
		require.Contains(t, skusOf(c), sku)
	}
}

func skusOf(c cart.Cart) []string {
	var skus []string
	for _, l := range c.Lines {
		skus = append(skus, l.SKU)
	}
	return skus
}

// mergeRace logs in with one guest's cart many times at once: it is added once.
func mergeRace(t *testing.T, h Harness) {
	a, o, guest := h.sold(t, 1), user(), MustOpen(t, h.Service)
	MustSet(t, h.Service, guest, a, 3)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			reply, err := h.Service.Merge(User(o.UserID), mergeInto(o, guest))
			if err != nil || reply.Lines != 1 {
				t.Errorf("%d lines were moved: %v", reply.Lines, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 3}}, Refs(MustGet(t, h.Service, o)))
}

func checkOut(t *testing.T, h Harness) {
	a, b, c, o := h.sold(t, 1), h.sold(t, 1), h.sold(t, 1), user()
	for _, sku := range []string{a, b, c} {
		MustSet(t, h.Service, o, sku, 3)
	}
	bought := cart.CheckOutRequest{UserID: o.UserID, OrderID: id.V7(), Items: []cart.CartRef{
		{SKU: a, Quantity: 3}, {SKU: b, Quantity: 2}, {SKU: "gone by now", Quantity: 1},
	}}
	for range 3 { // once per order
		_, err := h.Service.CheckOut(Shop(), bought)
		require.NoError(t, err)
		require.Equal(t, []cart.CartRef{{SKU: b, Quantity: 1}, {SKU: c, Quantity: 3}}, Refs(MustGet(t, h.Service, o)))
	}
	bought.OrderID = id.V7()
	bought.Items = []cart.CartRef{{SKU: c, Quantity: 1}, {SKU: c, Quantity: 1}, {SKU: b, Quantity: 9}, {SKU: c, Quantity: -5}}
	_, err := h.Service.CheckOut(Shop(), bought)
	require.NoError(t, err)
	require.Equal(t, []cart.CartRef{{SKU: c, Quantity: 1}}, Refs(MustGet(t, h.Service, o)))

	nobody := user()
	_, err = h.Service.CheckOut(Shop(), cart.CheckOutRequest{UserID: nobody.UserID, OrderID: id.V7(), Items: bought.Items})
	require.NoError(t, err)
	require.Empty(t, MustGet(t, h.Service, nobody).Lines)
	_, err = h.Service.CheckOut(Shop(), cart.CheckOutRequest{UserID: o.UserID})
	require.ErrorIs(t, err, fault.Invalid)
}

// checkOutRace empties for one order many times at once.
func checkOutRace(t *testing.T, h Harness) {
	a, o := h.sold(t, 1), user()
	MustSet(t, h.Service, o, a, 40)
	bought := cart.CheckOutRequest{UserID: o.UserID, OrderID: id.V7(), Items: []cart.CartRef{{SKU: a, Quantity: 2}}}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := h.Service.CheckOut(Shop(), bought); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 38}}, Refs(MustGet(t, h.Service, o)))
}

// setAgain orders a line, and sets it again before the order takes it out.
func setAgain(t *testing.T, h Harness) {
	a, b, o := h.sold(t, 1), h.sold(t, 1), user()
	MustSet(t, h.Service, o, a, 1)
	MustSet(t, h.Service, o, b, 1)
	var ordered []cart.CartRef
	for _, l := range MustGet(t, h.Service, o).Lines {
		ordered = append(ordered, cart.CartRef{SKU: l.SKU, Quantity: l.Quantity, Revision: l.Revision})
	}
	MustSet(t, h.Service, o, a, 1) // the same quantity, but wanted again

	_, err := h.Service.CheckOut(Shop(), cart.CheckOutRequest{UserID: o.UserID, OrderID: id.V7(), Items: ordered})
	require.NoError(t, err)
	require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 1}}, Refs(MustGet(t, h.Service, o)))
}

// mergeMeanwhile logs in between an order and the moment when it takes out what it
// bought: what came from the guest's cart stays, and nothing else.
func mergeMeanwhile(t *testing.T, h Harness) {
	a, o, guest := h.sold(t, 1), user(), MustOpen(t, h.Service)
	before := MustSet(t, h.Service, o, a, 2)
	MustSet(t, h.Service, guest, a, 1)
	_, err := h.Service.Merge(User(o.UserID), mergeInto(o, guest))
	require.NoError(t, err)
	require.NotEqual(t, before, MustGet(t, h.Service, o))

	ordered := []cart.CartRef{{SKU: a, Quantity: 2, Revision: before.Lines[0].Revision}}
	for range 2 { // the second order was placed before the first took its lines out
		_, err = h.Service.CheckOut(Shop(), cart.CheckOutRequest{UserID: o.UserID, OrderID: id.V7(), Items: ordered})
		require.NoError(t, err)
		require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 1}}, Refs(MustGet(t, h.Service, o)))
	}
}
