// Package carthttp is the cart's HTTP API, written against its contract only.
package carthttp

import (
	"context"
	"net/http"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/cart"
)

// tokenHeader carries a guest's token, both ways.
const tokenHeader = "X-Cart-Token"

// Deps is what the handlers call.
type Deps struct {
	Cart cart.Service
}

// Register adds the routes. They are public because guests have carts too; the
// cart itself knows whose it is.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/cart", Access: web.Public, Personal: true,
		Summary: "The user's cart, or the guest's named by X-Cart-Token; without either, a new guest cart whose token comes in the X-Cart-Token header",
		Codes:   []string{cart.UnknownToken.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPut, Path: "/cart/items/{sku}", Access: web.Public, Personal: true, Prelude: true,
		Summary: "Set how many of a SKU are in the cart",
		Codes:   []string{cart.InvalidQuantity.Name(), cart.TooManyLines.Name(), cart.UnknownSKU.Name(), cart.UnknownToken.Name()},
		Example: `{"quantity": 1}`,
	}, d.setItem)
	web.Handle(r, web.Route{
		Method: http.MethodDelete, Path: "/cart/items/{sku}", Access: web.Public, Personal: true,
		Summary: "Take a SKU out of the cart",
		Codes:   []string{cart.UnknownToken.Name()},
	}, d.removeItem)
}

type getInput struct {
	Token string `header:"X-Cart-Token" maxLength:"128"`
}

func (d Deps) get(ctx context.Context, in getInput) (web.Reply[cart.Cart], error) {
	return d.with(ctx, in.Token, "", func(owner cart.Owner) (cart.Cart, error) {
		return d.Cart.Get(ctx, cart.GetRequest{Owner: owner})
	})
}

type setItemInput struct {
	SKU   string      `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
	Token string      `header:"X-Cart-Token" maxLength:"128"`
	Body  setItemBody `body:""`
}

type setItemBody struct {
	Quantity int `json:"quantity" minimum:"1" maximum:"99"`
}

func (d Deps) setItem(ctx context.Context, in setItemInput) (web.Reply[cart.Cart], error) {
	return d.with(ctx, in.Token, in.SKU, func(owner cart.Owner) (cart.Cart, error) {
		return d.Cart.SetItem(ctx, cart.SetItemRequest{Owner: owner, SKU: in.SKU, Quantity: in.Body.Quantity})
	})
}

type removeItemInput struct {
	SKU   string `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
	Token string `header:"X-Cart-Token" maxLength:"128"`
}

func (d Deps) removeItem(ctx context.Context, in removeItemInput) (web.Reply[cart.Cart], error) {
	return d.with(ctx, in.Token, "", func(owner cart.Owner) (cart.Cart, error) {
		return d.Cart.RemoveItem(ctx, cart.RemoveItemRequest{Owner: owner, SKU: in.SKU})
	})
}

// with finds out whose cart is meant: the user's where somebody is logged in,
// else that of the token, else a new guest's. Who is refused the first item is not
// given a token, so there must be no cart either.
func (d Deps) with(ctx context.Context, token, first string, do func(cart.Owner) (cart.Cart, error)) (web.Reply[cart.Cart], error) {
	owner := cart.Owner{GuestToken: token}
	fresh := false
	if p := port.PrincipalFrom(ctx); !p.Anonymous() {
		owner = cart.Owner{UserID: p.Subject}
	} else if token == "" {
		opened, err := d.Cart.Open(ctx, cart.OpenRequest{SKU: first})
		if err != nil {
			return web.Reply[cart.Cart]{}, err
		}
		owner.GuestToken, fresh = opened.GuestToken, true
	}
	c, err := do(owner)
	if err != nil {
		return web.Reply[cart.Cart]{}, err
	}
	reply := web.OK(c)
	if fresh {
		reply = reply.With(tokenHeader, owner.GuestToken)
	}
	return reply, nil
}
