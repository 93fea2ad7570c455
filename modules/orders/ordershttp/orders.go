// Package ordershttp gives orders their place in the HTTP API. It is written
// against the contract only, and stays where it is when the module moves out.
package ordershttp

import (
	"context"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/orders"
)

// Deps are what the routes call.
type Deps struct {
	Orders orders.Service
}

// Register adds the routes to r.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/orders", Access: web.User, Idempotent: true,
		Summary:  "Orders what is in the cart; with \"Prefer: wait=N\" waits up to N seconds for the decision.",
		Statuses: []int{http.StatusAccepted, http.StatusCreated},
		Codes:    []string{orders.InvalidOrder.Name()},
		Example: `{
			"shipping_address": {"name": "Anna", "line1": "1 Fig Lane", "line2": "", "city": "Springfield", "postal_code": "12345", "country": "US"},
			"shipping_method": "standard",
			"payment": {"method": "card", "token": "tok_visa"}
		}`,
	}, d.place)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/orders", Access: web.User,
		Summary: "Lists one's own orders, newest first; for staff, with all=true, everybody's.",
		Codes:   []string{"forbidden"},
	}, d.list)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/orders/{id}", Access: web.User,
		Summary: "Gives one order.",
		Codes:   []string{orders.OrderNotFound.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/orders/{id}/cancel", Access: web.User, Idempotent: true,
		Summary:  "Cancels an order that is not dispatched yet; 202 while that is not decided.",
		Statuses: []int{http.StatusOK, http.StatusAccepted},
		Codes:    []string{orders.OrderNotFound.Name(), orders.NotCancellable.Name()},
	}, d.cancel)
}

type placeInput struct {
	Prefer []string  `header:"Prefer" doc:"wait=N answers as soon as the order is decided, after N seconds at the latest (RFC 7240); N is at most 10" example:"[\"wait=10\"]"`
	Body   placeBody `body:""`
}

type placeBody struct {
	ShippingAddress address `json:"shipping_address"`
	ShippingMethod  string  `json:"shipping_method" enum:"standard,express"`
	PromoCode       *string `json:"promo_code,omitempty" maxLength:"64" doc:"code of a promotion"`
	Payment         payment `json:"payment"`
}

type address struct {
	Name       string  `json:"name" minLength:"1" maxLength:"200"`
	Line1      string  `json:"line1" minLength:"1" maxLength:"200"`
	Line2      *string `json:"line2,omitempty" maxLength:"200"`
	City       string  `json:"city" minLength:"1" maxLength:"200"`
	PostalCode string  `json:"postal_code" minLength:"1" maxLength:"200"`
	Country    string  `json:"country" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2"`
}

type payment struct {
	Method string  `json:"method" enum:"card,wallet" doc:"wallet: from one's store credit"`
	Token  *string `json:"token,omitempty" maxLength:"200" example:"tok_visa" doc:"the provider's name for the card; required with method card, left out with wallet; of the sandbox: tok_visa is approved; tok_declined and tok_insufficient_funds are declined; tok_error fails always; tok_flaky fails twice and is approved then; tok_slow is approved after 3 seconds; tok_lost_reply is charged, but the reply is lost"`
}

func (d Deps) place(ctx context.Context, in placeInput) (web.Reply[orders.Order], error) {
	a, wait := in.Body.ShippingAddress, waitOf(strings.Join(in.Prefer, ","))
	order, err := d.Orders.Place(ctx, orders.PlaceRequest{
		UserID: port.PrincipalFrom(ctx).Subject,
		ShippingAddress: orders.Address{
			Name: a.Name, Line1: a.Line1, Line2: text(a.Line2), City: a.City, PostalCode: a.PostalCode, Country: a.Country,
		},
		ShippingMethod: in.Body.ShippingMethod, PromoCode: text(in.Body.PromoCode),
		PaymentMethod: in.Body.Payment.Method, PaymentToken: text(in.Body.Payment.Token),
		WaitMillis: wait.Milliseconds(),
	})
	if err != nil {
		return web.Reply[orders.Order]{}, err
	}
	if wait == 0 {
		return web.Accepted(pathOf(order), order), nil
	}
	reply := web.Accepted(pathOf(order), order)
	if order.Status != orders.Pending {
		reply = web.Created(pathOf(order), order)
	}
	return reply.With("Preference-Applied", preference(wait)), nil
}

type listInput struct {
	All    bool   `query:"all" doc:"everybody's orders; for staff"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

// position is where a list goes on: after this order.
type position struct {
	ID string `json:"id"`
}

func (d Deps) list(ctx context.Context, in listInput) (web.Reply[web.Page[orders.Order]], error) {
	from, err := cursor.Decode[position](in.Cursor)
	if err != nil {
		return web.Reply[web.Page[orders.Order]]{}, err
	}
	req := orders.ListRequest{UserID: port.PrincipalFrom(ctx).Subject, Limit: in.Limit, After: from.ID}
	if in.All {
		req.UserID = ""
	}
	page, err := d.Orders.List(ctx, req)
	if err != nil {
		return web.Reply[web.Page[orders.Order]]{}, err
	}
	answer := web.Page[orders.Order]{Items: page.Items}
	if answer.Items == nil {
		answer.Items = []orders.Order{}
	}
	if page.Next != "" {
		next, err := cursor.Encode(position{page.Next})
		if err != nil {
			return web.Reply[web.Page[orders.Order]]{}, err
		}
		answer.NextCursor = &next
	}
	return web.OK(answer), nil
}

type orderInput struct {
	ID string `path:"id" doc:"the order's id"`
}

func (d Deps) get(ctx context.Context, in orderInput) (web.Reply[orders.Order], error) {
	order, err := d.Orders.Get(ctx, orders.GetRequest{OrderID: in.ID})
	return web.OK(order), err
}

func (d Deps) cancel(ctx context.Context, in orderInput) (web.Reply[orders.Order], error) {
	order, err := d.Orders.Cancel(ctx, orders.CancelRequest{OrderID: in.ID})
	if err == nil && order.Status != orders.Cancelled {
		return web.Accepted(pathOf(order), order), nil
	}
	return web.OK(order), err
}

func pathOf(o orders.Order) string { return "/api/v1/orders/" + o.ID }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
