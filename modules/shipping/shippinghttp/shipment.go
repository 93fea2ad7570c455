// Package shippinghttp is shipping's HTTP API, written against its contract only.
package shippinghttp

import (
	"context"
	"net/http"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Deps is what the handlers call.
type Deps struct {
	Shipping shipping.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/shipping/rates", Access: web.Public,
		Summary: "What sending a weight to a country costs, cheapest first",
	}, d.rates)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/shipments/{id}", Access: web.User,
		Summary: "A shipment, for its owner and staff",
		Codes:   []string{shipping.ShipmentNotFound.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/shipments/{id}/dispatch", Access: web.Staff,
		Summary: "Hand a shipment to its carrier; the payment is captured then",
		Codes:   []string{shipping.ShipmentNotFound.Name(), shipping.InvalidTransition.Name(), shipping.InvalidShipment.Name()},
	}, d.dispatch)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/shipments/{id}/deliver", Access: web.Staff,
		Summary: "Say that a shipment has arrived",
		Codes:   []string{shipping.ShipmentNotFound.Name(), shipping.InvalidTransition.Name()},
	}, d.deliver)
}

type ratesInput struct {
	Country     string `query:"country" required:"true" pattern:"^[A-Za-z]{2}$" example:"US" doc:"ISO 3166-1 alpha-2."`
	WeightGrams int64  `query:"weight_grams" minimum:"0" maximum:"1000000000" default:"0"`
}

func (d Deps) rates(ctx context.Context, in ratesInput) (web.Reply[shipping.RatesReply], error) {
	reply, err := d.Shipping.Rates(ctx, shipping.RatesRequest{Country: in.Country, WeightGrams: in.WeightGrams})
	return web.OK(reply), err
}

type shipmentInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (d Deps) get(ctx context.Context, in shipmentInput) (web.Reply[shipping.Shipment], error) {
	sh, err := d.Shipping.Get(ctx, shipping.GetRequest{ShipmentID: in.ID})
	return web.OK(sh), err
}

type dispatchInput struct {
	ID   string       `path:"id" maxLength:"64"`
	Body dispatchBody `body:""`
}

type dispatchBody struct {
	Carrier        string `json:"carrier" minLength:"1" maxLength:"200" example:"Banyan Post"`
	TrackingNumber string `json:"tracking_number" minLength:"1" maxLength:"200" example:"BP-1042"`
}

func (d Deps) dispatch(ctx context.Context, in dispatchInput) (web.Reply[shipping.Shipment], error) {
	sh, err := d.Shipping.Dispatch(ctx, shipping.DispatchRequest{
		ShipmentID: in.ID, Carrier: in.Body.Carrier, TrackingNumber: in.Body.TrackingNumber,
	})
	return web.OK(sh), err
}

func (d Deps) deliver(ctx context.Context, in shipmentInput) (web.Reply[shipping.Shipment], error) {
	sh, err := d.Shipping.Deliver(ctx, shipping.DeliverRequest{ShipmentID: in.ID})
	return web.OK(sh), err
}
