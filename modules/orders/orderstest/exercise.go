// Package orderstest has what neighbours of orders use in their tests: a Fake,
// the conformance suite that every implementation passes, and Shop, the small
// shop in memory that an order needs around it.
package orderstest

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
)

// Harness is a service to exercise, with what surrounds it. Its payments must
// know the tokens of the sandbox provider.
type Harness struct {
	Service orders.Service
	NewUser func(t *testing.T) string
	Fill    func(t *testing.T, user string, items ...cart.CartRef) // puts these into the user's cart
	Fund    func(t *testing.T, user string, cents int64)           // puts store credit into the user's wallet

	InStock  string // a SKU with a price and at least 1,000 pieces
	SoldOut  string // a SKU with a price and no pieces
	Unpriced string // a SKU in stock without a price

	// Dispatch hands the order's parcel to a carrier; the order may become shipped
	// some time later. nil where the suite cannot.
	Dispatch func(t *testing.T, orderID string)
}

const (
	patience = 2 * time.Minute // for what happens by events
	wait     = 10_000          // milliseconds, for a checkout
)

// As is the context of a call by a customer.
func As(user string) context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: user, Roles: []string{port.RoleCustomer}})
}

// Staff is the context of a call by somebody of the shop.
func Staff() context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}})
}

// Wallet stands for a card's token where the wallet pays.
const Wallet = "wallet"

// Request asks for an order of what is in the user's cart, paid with a token of
// the sandbox provider or from the Wallet, and waits until it is decided.
func Request(user, token string) orders.PlaceRequest {
	req := orders.PlaceRequest{
		UserID: user, ShippingMethod: "standard", PaymentMethod: "card", PaymentToken: token, WaitMillis: wait,
		ShippingAddress: orders.Address{Name: "Ada Lovelace", Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4LB", Country: "GB"},
	}
	if token == Wallet {
		req.PaymentMethod, req.PaymentToken = orders.ByWallet, ""
	}
	return req
}

// MustPlace places an order and waits until it is decided, on a busy machine longer
// than the call does.
func MustPlace(t *testing.T, svc orders.Service, user, token string) orders.Order {
	t.Helper()
	order, err := svc.Place(As(user), Request(user, token))
	require.NoError(t, err)
	if req := (orders.GetRequest{OrderID: order.ID}); order.Status == orders.Pending {
		require.Eventually(t, func() bool {
			order, err = svc.Get(As(user), req)
			return err == nil && order.Status != orders.Pending
		}, patience, 20*time.Millisecond)
	}
	return order
}

// MustGet reads an order as staff.
func MustGet(t *testing.T, svc orders.Service, orderID string) orders.Order {
	t.Helper()
	order, err := svc.Get(Staff(), orders.GetRequest{OrderID: orderID})
	require.NoError(t, err)
	return order
}

// Exercise checks an implementation against the contract. It uses users of its
// own, so it can run against a service that others use too.
func Exercise(t *testing.T, setup func(t *testing.T) Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"confirmed":         confirmed,
		"paid by wallet":    paidByWallet,
		"rejected":          rejected,
		"refused":           refused,
		"placed and polled": polled,
		"one's own only":    ownOnly,
		"pages":             pages,
		"one key one order": oneKey,
		"cancelled":         cancelled,
		"too late":          tooLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t))
		})
	}
}

var number = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`)

// buyer is a user with two pieces in the cart.
func buyer(t *testing.T, h Harness) string {
	t.Helper()
	user := h.NewUser(t)
	h.Fill(t, user, cart.CartRef{SKU: h.InStock, Quantity: 2})
	return user
}

func confirmed(t *testing.T, h Harness) {
	user := buyer(t, h)
	order := MustPlace(t, h.Service, user, "tok_visa")
	require.Equal(t, orders.Confirmed, order.Status)
	require.Empty(t, order.Reason)
	require.Regexp(t, number, order.Number)
	require.Equal(t, user, order.UserID)
	require.NotEmpty(t, order.PaymentID)
	require.Len(t, order.Lines, 1)
	line, sum := order.Lines[0], order.Totals
	require.Equal(t, 2*line.UnitPrice.Amount, line.Total.Amount)
	require.Equal(t, line.Total, sum.Subtotal)
	require.Equal(t, sum.Subtotal.Amount-sum.Discount.Amount+sum.Shipping.Amount+sum.Tax.Amount, sum.Total.Amount)
	require.Positive(t, sum.Total.Amount)
	require.GreaterOrEqual(t, len(order.History), 2)
	require.Equal(t, orders.Pending, order.History[0].Status)
	require.Equal(t, orders.Confirmed, order.History[1].Status)
}

// paidByWallet buys without money, with just enough, and without again.
func paidByWallet(t *testing.T, h Harness) {
	user := buyer(t, h)
	unfunded := MustPlace(t, h.Service, user, Wallet)
	require.Equal(t, []string{orders.Rejected, orders.PaymentDeclined}, []string{unfunded.Status, unfunded.Reason})
	h.Fund(t, user, unfunded.Totals.Total.Amount)
	order := MustPlace(t, h.Service, user, Wallet)
	require.Equal(t, orders.Confirmed, order.Status)
	require.Equal(t, orders.ByWallet, order.PaymentMethod)
	require.Empty(t, order.PaymentID)
	h.Fill(t, user, cart.CartRef{SKU: h.InStock, Quantity: 2})
	again := MustPlace(t, h.Service, user, Wallet)
	require.Equal(t, orders.Rejected, again.Status)
	require.Contains(t, []string{orders.PaymentDeclined, orders.CartEmpty}, again.Reason) // the first may empty the cart late
}

func rejected(t *testing.T, h Harness) {
	for _, c := range []struct {
		name, sku, token, reason string
		priced                   bool
	}{
		{"nothing in the cart", "", "tok_visa", orders.CartEmpty, false},
		{"sold out", h.SoldOut, "tok_visa", orders.StockInsufficient, true},
		{"without a price", h.Unpriced, "tok_visa", orders.PriceUnknown, false},
		{"declined", h.InStock, "tok_declined", orders.PaymentDeclined, true},
		{"no funds", h.InStock, "tok_insufficient_funds", orders.PaymentDeclined, true},
		{"provider broken", h.InStock, "tok_error", orders.PaymentUnavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			user := h.NewUser(t)
			if c.sku != "" {
				h.Fill(t, user, cart.CartRef{SKU: c.sku, Quantity: 1})
			}
			order := MustPlace(t, h.Service, user, c.token)
			require.Equal(t, orders.Rejected, order.Status)
			require.Equal(t, c.reason, order.Reason)
			require.Equal(t, c.priced, order.Totals.Total.IsPositive(), "what it would have cost")
			for _, line := range order.Lines {
				require.Equal(t, c.priced, line.Total.IsPositive())
			}
			_, err := h.Service.Cancel(As(user), orders.CancelRequest{OrderID: order.ID})
			require.ErrorIs(t, err, orders.NotCancellable)
		})
	}
}

func refused(t *testing.T, h Harness) {
	user := buyer(t, h)
	for name, c := range map[string]struct {
		change func(*orders.PlaceRequest)
		code   fault.Code
	}{
		"no name":       {func(r *orders.PlaceRequest) { r.ShippingAddress.Name = " " }, orders.InvalidOrder},
		"no country":    {func(r *orders.PlaceRequest) { r.ShippingAddress.Country = "gb" }, orders.InvalidOrder},
		"no method":     {func(r *orders.PlaceRequest) { r.ShippingMethod = "pigeon" }, orders.InvalidOrder},
		"no token":      {func(r *orders.PlaceRequest) { r.PaymentToken = "" }, orders.InvalidOrder},
		"long wait":     {func(r *orders.PlaceRequest) { r.WaitMillis = wait + 1 }, orders.InvalidOrder},
		"no way to pay": {func(r *orders.PlaceRequest) { r.PaymentMethod = "cheque" }, orders.InvalidOrder},
		"wallet + card": {func(r *orders.PlaceRequest) { r.PaymentMethod = orders.ByWallet }, orders.InvalidOrder},
		"somebody else": {func(r *orders.PlaceRequest) { r.UserID = "x" + r.UserID }, fault.Forbidden},
	} {
		req := Request(user, "tok_visa")
		c.change(&req)
		_, err := h.Service.Place(As(user), req)
		require.ErrorIs(t, err, c.code, name)
	}
	page, err := h.Service.List(As(user), orders.ListRequest{UserID: user, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Items, "nothing was placed")
}

func polled(t *testing.T, h Harness) {
	user := buyer(t, h)
	req := Request(user, "tok_visa")
	req.WaitMillis = 0
	placed, err := h.Service.Place(As(user), req)
	require.NoError(t, err)
	require.Equal(t, orders.Pending, placed.Status)
	require.Zero(t, placed.Totals.Total.Amount, "not priced yet")
	require.Eventually(t, func() bool {
		return MustGet(t, h.Service, placed.ID).Status == orders.Confirmed
	}, patience, 5*time.Millisecond)
}

func ownOnly(t *testing.T, h Harness) {
	user, stranger := buyer(t, h), h.NewUser(t)
	order := MustPlace(t, h.Service, user, "tok_visa")
	got, err := h.Service.Get(As(user), orders.GetRequest{OrderID: order.ID})
	require.NoError(t, err)
	require.Equal(t, order.Number, got.Number)
	_, err = h.Service.Get(As(stranger), orders.GetRequest{OrderID: order.ID})
	require.ErrorIs(t, err, orders.OrderNotFound)
	_, err = h.Service.Get(Staff(), orders.GetRequest{OrderID: order.ID})
	require.NoError(t, err)
	_, err = h.Service.Get(As(user), orders.GetRequest{OrderID: id.V7()})
	require.ErrorIs(t, err, orders.OrderNotFound)
	_, err = h.Service.Cancel(As(stranger), orders.CancelRequest{OrderID: order.ID})
	require.ErrorIs(t, err, orders.OrderNotFound)
	_, err = h.Service.List(As(stranger), orders.ListRequest{UserID: user, Limit: 10})
	require.ErrorIs(t, err, fault.Forbidden)
	_, err = h.Service.List(As(stranger), orders.ListRequest{Limit: 10})
	require.ErrorIs(t, err, fault.Forbidden)
	all, err := h.Service.List(Staff(), orders.ListRequest{Limit: 100})
	require.NoError(t, err)
	require.NotEmpty(t, all.Items)
}

func pages(t *testing.T, h Harness) {
	user := h.NewUser(t)
	var placed []string
	for range 5 { // with an empty cart an order is decided at once
		order := MustPlace(t, h.Service, user, "tok_visa")
		placed = append([]string{order.ID}, placed...)
	}
	var seen []string
	for after := ""; ; {
		page, err := h.Service.List(As(user), orders.ListRequest{UserID: user, Limit: 2, After: after})
		require.NoError(t, err)
		for _, o := range page.Items {
			seen = append(seen, o.ID)
		}
		if after = page.Next; after == "" {
			break
		}
		require.Len(t, page.Items, 2)
	}
	require.Equal(t, placed, seen, "newest first, each once")
	for _, limit := range []int{0, 101} {
		_, err := h.Service.List(As(user), orders.ListRequest{UserID: user, Limit: limit})
		require.ErrorIs(t, err, orders.InvalidOrder)
	}
}

func oneKey(t *testing.T, h Harness) {
	user := buyer(t, h)
	keyed := func(body string) (context.Context, func() bool) {
		ctx, flag := port.WithReplayFlag(As(user))
		return port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: user, Key: "k", Fingerprint: body}), flag.Load
	}
	ctx, _ := keyed("a")
	first, err := h.Service.Place(ctx, Request(user, "tok_visa"))
	require.NoError(t, err)
	require.Equal(t, orders.Confirmed, first.Status)
	ctx, replayed := keyed("a")
	again, err := h.Service.Place(ctx, Request(user, "tok_visa"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.True(t, replayed())
	ctx, _ = keyed("b")
	_, err = h.Service.Place(ctx, Request(user, "tok_visa"))
	require.ErrorIs(t, err, idempotency.Reused)
	page, err := h.Service.List(As(user), orders.ListRequest{UserID: user, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
}

func cancelled(t *testing.T, h Harness) {
	user := buyer(t, h)
	order := MustPlace(t, h.Service, user, "tok_visa")
	for range 2 { // repeating it changes nothing
		got, err := h.Service.Cancel(As(user), orders.CancelRequest{OrderID: order.ID})
		require.NoError(t, err)
		require.Equal(t, orders.Cancelled, got.Status)
		require.Equal(t, orders.CancelRequested, got.Reason)
	}
	got := MustGet(t, h.Service, order.ID)
	require.Equal(t, orders.Cancelled, got.History[len(got.History)-1].Status)
	_, err := h.Service.Cancel(As(user), orders.CancelRequest{OrderID: id.V7()})
	require.ErrorIs(t, err, orders.OrderNotFound)
}

func tooLate(t *testing.T, h Harness) {
	if h.Dispatch == nil {
		t.Skip("parcels cannot be dispatched here")
	}
	user := buyer(t, h)
	order := MustPlace(t, h.Service, user, "tok_visa")
	h.Dispatch(t, order.ID)
	_, err := h.Service.Cancel(As(user), orders.CancelRequest{OrderID: order.ID})
	require.ErrorIs(t, err, orders.NotCancellable)
	require.Eventually(t, func() bool {
		return MustGet(t, h.Service, order.ID).Status == orders.Shipped
	}, patience, 5*time.Millisecond)
}
