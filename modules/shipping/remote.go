package shipping

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	rates          = port.Query[RatesRequest, RatesReply]("shipping.rates")
	get            = port.Query[GetRequest, Shipment]("shipping.get")
	ofOrder        = port.Query[OrderRequest, Shipment]("shipping.by_order")
	dispatch       = port.Command[DispatchRequest, Shipment]("shipping.dispatch", port.Key(func(r DispatchRequest) string { return r.ShipmentID + "/" + r.TrackingNumber }))
	deliver        = port.Command[DeliverRequest, Shipment]("shipping.deliver", port.Key(func(r DeliverRequest) string { return r.ShipmentID }))
	cancelForOrder = port.Command[OrderRequest, CancelReply]("shipping.cancel_for_order", port.Key(func(r OrderRequest) string { return r.OrderID }))
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Rates(ctx context.Context, r RatesRequest) (RatesReply, error) {
	return rates.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (Shipment, error) {
	return get.Call(ctx, c.conn, r)
}
func (c client) ByOrder(ctx context.Context, r OrderRequest) (Shipment, error) {
	return ofOrder.Call(ctx, c.conn, r)
}
func (c client) Dispatch(ctx context.Context, r DispatchRequest) (Shipment, error) {
	return dispatch.Call(ctx, c.conn, r)
}
func (c client) Deliver(ctx context.Context, r DeliverRequest) (Shipment, error) {
	return deliver.Call(ctx, c.conn, r)
}
func (c client) CancelForOrder(ctx context.Context, r OrderRequest) (CancelReply, error) {
	return cancelForOrder.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	rates.Handle(s, svc.Rates)
	get.Handle(s, svc.Get)
	ofOrder.Handle(s, svc.ByOrder)
	dispatch.Handle(s, svc.Dispatch)
	deliver.Handle(s, svc.Deliver)
	cancelForOrder.Handle(s, svc.CancelForOrder)
}
