package carttest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
)

// Harness is an implementation in USD and the way to put a SKU up for sale.
type Harness struct {
	Service cart.Service
	Sell    func(t *testing.T, sku string, cents int64)
}

// Shop is the context of a call that the shop itself makes.
func Shop() context.Context { return port.WithPrincipal(context.Background(), port.System("test")) }

// User is the context of a call by a customer.
func User(userID string) context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: userID, Roles: []string{port.RoleCustomer}})
}

// MustOpen makes a guest's cart.
func MustOpen(t *testing.T, svc cart.Service) cart.Owner {
	t.Helper()
	opened, err := svc.Open(context.Background(), cart.OpenRequest{})
	require.NoError(t, err)
	require.NotEmpty(t, opened.GuestToken)
	return cart.Owner{GuestToken: opened.GuestToken}
}

// MustSet sets how many of a SKU are in a cart.
func MustSet(t *testing.T, svc cart.Service, o cart.Owner, sku string, quantity int) cart.Cart {
	t.Helper()
	c, err := svc.SetItem(User(o.UserID), cart.SetItemRequest{Owner: o, SKU: sku, Quantity: quantity})
	require.NoError(t, err)
	return c
}

// MustGet reads a cart.
func MustGet(t *testing.T, svc cart.Service, o cart.Owner) cart.Cart {
	t.Helper()
	c, err := svc.Get(User(o.UserID), cart.GetRequest{Owner: o})
	require.NoError(t, err)
	return c
}

// Refs is what a cart holds, in order.
func Refs(c cart.Cart) []cart.CartRef {
	refs := []cart.CartRef{}
	for _, l := range c.Lines {
		refs = append(refs, cart.CartRef{SKU: l.SKU, Quantity: l.Quantity})
	}
	return refs
}

// Exercise checks an implementation against the contract. It uses users and SKUs
// of its own, so it can run against a service that others use too.
func Exercise(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"a user's cart":     usersCart,
		"a guest's cart":    guestsCart,
		"whose":             whose,
		"quantities":        quantities,
		"100 lines":         manyLines,
		"merge":             merge,
		"merge of too much": mergeTooMuch,
		"merge race":        mergeRace,
		"merge meanwhile":   mergeMeanwhile,
		"check out":         checkOut,
		"check-out race":    checkOutRace,
		"set again":         setAgain,
		"additions race":    additionsRace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func (h Harness) sold(t *testing.T, cents int64) string {
	t.Helper()
	sku := "a-" + id.V7()
	h.Sell(t, sku, cents)
	return sku
}

func user() cart.Owner { return cart.Owner{UserID: "u-" + id.V7()} }

func usersCart(t *testing.T, h Harness) {
	a, b, o := h.sold(t, 1999), h.sold(t, 50), user()
	empty := MustGet(t, h.Service, o)
	require.Equal(t, []cart.Line{}, empty.Lines)
	require.Equal(t, money.Zero("USD"), empty.Subtotal)

	MustSet(t, h.Service, o, b, 2)
	c := MustSet(t, h.Service, o, a, 3)
	require.Equal(t, []cart.CartRef{{SKU: b, Quantity: 2}, {SKU: a, Quantity: 3}}, Refs(c), "in the order added")
	require.Equal(t, money.Of(2*50+3*1999, "USD"), c.Subtotal)
	require.Equal(t, money.Of(50, "USD"), *c.Lines[0].UnitPrice)
	require.Equal(t, money.Of(100, "USD"), *c.Lines[0].Total)
	plain, err := h.Service.Get(User(o.UserID), cart.GetRequest{Owner: o, Unpriced: true})
	require.NoError(t, err)
	require.Equal(t, money.Zero("USD"), plain.Subtotal)
	for i, l := range plain.Lines {
		require.Equal(t, cart.Line{SKU: l.SKU, Title: c.Lines[i].Title, Quantity: c.Lines[i].Quantity, Revision: c.Lines[i].Revision}, l)
	}
	require.NotEmpty(t, c.Lines[0].Title)
	require.False(t, c.UpdatedAt.IsZero())

	again := MustSet(t, h.Service, o, a, 3)
	require.Equal(t, Refs(c), Refs(again), "repeating it changes nothing")
	require.Equal(t, c.Subtotal, again.Subtotal)
	require.Greater(t, again.Lines[1].Revision, c.Lines[1].Revision, "but says that it is wanted again")
	require.Equal(t, again, MustGet(t, h.Service, o))
	c = MustSet(t, h.Service, o, b, 1)
	require.Equal(t, []cart.CartRef{{SKU: b, Quantity: 1}, {SKU: a, Quantity: 3}}, Refs(c))
	require.False(t, c.UpdatedAt.Before(again.UpdatedAt))
	require.Equal(t, c, MustGet(t, h.Service, o), "the reply is what was kept")

	h.Sell(t, a, 1000)
	require.Equal(t, money.Of(50+3000, "USD"), MustGet(t, h.Service, o).Subtotal, "current prices")
	for range 2 {
		c, err := h.Service.RemoveItem(User(o.UserID), cart.RemoveItemRequest{Owner: o, SKU: b})
		require.NoError(t, err)
		require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 3}}, Refs(c))
	}
}

func guestsCart(t *testing.T, h Harness) {
	a := h.sold(t, 100)
	mine, other := MustOpen(t, h.Service), MustOpen(t, h.Service)
	require.NotEqual(t, mine, other)
	require.GreaterOrEqual(t, len(mine.GuestToken), 32, "a token is not to be guessed")
	MustSet(t, h.Service, mine, a, 2)
	require.Len(t, MustGet(t, h.Service, mine).Lines, 1)
	require.Empty(t, MustGet(t, h.Service, other).Lines)
	ctx, forged := context.Background(), cart.Owner{GuestToken: "forged"}
	opened, err := h.Service.Open(ctx, cart.OpenRequest{SKU: a})
	require.NoError(t, err)
	require.Empty(t, MustGet(t, h.Service, cart.Owner{GuestToken: opened.GuestToken}).Lines)
	_, err = h.Service.Open(ctx, cart.OpenRequest{SKU: "never-" + a})
	require.ErrorIs(t, err, cart.UnknownSKU)
	_, err = h.Service.Get(ctx, cart.GetRequest{Owner: forged})
	require.ErrorIs(t, err, cart.UnknownToken)
	_, err = h.Service.SetItem(ctx, cart.SetItemRequest{Owner: forged, SKU: a, Quantity: 1})
	require.ErrorIs(t, err, cart.UnknownToken)
	_, err = h.Service.RemoveItem(ctx, cart.RemoveItemRequest{Owner: forged, SKU: a})
	require.ErrorIs(t, err, cart.UnknownToken)
}

func whose(t *testing.T, h Harness) {
	a, o := h.sold(t, 100), user()
	MustSet(t, h.Service, o, a, 2)
	for _, ctx := range []context.Context{User("eve"), context.Background()} {
		_, err := h.Service.Get(ctx, cart.GetRequest{Owner: o})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.SetItem(ctx, cart.SetItemRequest{Owner: o, SKU: a, Quantity: 1})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.RemoveItem(ctx, cart.RemoveItemRequest{Owner: o, SKU: a})
		require.ErrorIs(t, err, fault.Forbidden)
		_, err = h.Service.Merge(ctx, cart.MergeRequest{UserID: o.UserID, GuestToken: MustOpen(t, h.Service).GuestToken})
		require.ErrorIs(t, err, fault.Forbidden)
	}
	for _, ctx := range []context.Context{User("eve"), User(o.UserID)} {
		_, err := h.Service.CheckOut(ctx, cart.CheckOutRequest{UserID: o.UserID, OrderID: id.V7()})
		require.ErrorIs(t, err, fault.Forbidden, "an order empties a cart, not a customer")
	}
	for _, wrong := range []cart.Owner{{}, {UserID: o.UserID, GuestToken: "both"}} {
		_, err := h.Service.Get(User(o.UserID), cart.GetRequest{Owner: wrong})
		require.ErrorIs(t, err, fault.Invalid)
	}
	require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 2}}, Refs(MustGet(t, h.Service, o)))
}

func quantities(t *testing.T, h Harness) {
	a, o := h.sold(t, 100), user()
	for _, n := range []int{1, 2, 98, 99} {
		require.Equal(t, n, MustSet(t, h.Service, o, a, n).Lines[0].Quantity)
	}
	for _, n := range []int{-1, 0, 100, 1 << 40} {
		_, err := h.Service.SetItem(User(o.UserID), cart.SetItemRequest{Owner: o, SKU: a, Quantity: n})
		require.ErrorIs(t, err, cart.InvalidQuantity, n)
	}
	for _, unknown := range []string{"", "never-" + a, fmt.Sprintf("%0201d", 0)} {
		_, err := h.Service.SetItem(User(o.UserID), cart.SetItemRequest{Owner: o, SKU: unknown, Quantity: 1})
		require.ErrorIs(t, err, cart.UnknownSKU, unknown)
	}
	require.Equal(t, []cart.CartRef{{SKU: a, Quantity: 99}}, Refs(MustGet(t, h.Service, o)))
}

func manyLines(t *testing.T, h Harness) {
	o := user()
	var skus []string
	for range cart.MaxLines {
		skus = append(skus, h.sold(t, 1))
		MustSet(t, h.Service, o, skus[len(skus)-1], 1)
	}
	one := h.sold(t, 1)
	_, err := h.Service.SetItem(User(o.UserID), cart.SetItemRequest{Owner: o, SKU: one, Quantity: 1})
	require.ErrorIs(t, err, cart.TooManyLines)
	MustSet(t, h.Service, o, skus[50], 9)
	_, err = h.Service.RemoveItem(User(o.UserID), cart.RemoveItemRequest{Owner: o, SKU: skus[0]})
	require.NoError(t, err)
	c := MustSet(t, h.Service, o, one, 1)
	require.Len(t, c.Lines, cart.MaxLines)
	require.Equal(t, one, c.Lines[cart.MaxLines-1].SKU)
}

// additionsRace has many add different SKUs to a new cart with little room left.
func additionsRace(t *testing.T, h Harness) {
	o := user()
	skus := make([]string, 16)
	for i := range skus {
		skus[i] = h.sold(t, 1)
	}
	var wg sync.WaitGroup
	for _, sku := range skus {
		wg.Go(func() {
			if _, err := h.Service.SetItem(User(o.UserID), cart.SetItemRequest{Owner: o, SKU: sku, Quantity: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, MustGet(t, h.Service, o).Lines, len(skus), "no cart is made twice, no line is lost")
}
