package orders

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	place  = port.Command[PlaceRequest, Order]("orders.place", port.Deadline(15*time.Second), port.Waits(func(r PlaceRequest) bool { return r.WaitMillis > 0 }))
	get    = port.Query[GetRequest, Order]("orders.get")
	list   = port.Query[ListRequest, OrderList]("orders.list")
	cancel = port.Command[CancelRequest, Order]("orders.cancel", port.Waits(func(CancelRequest) bool { return true }))
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Place(ctx context.Context, r PlaceRequest) (Order, error) {
	return place.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (Order, error) {
	return get.Call(ctx, c.conn, r)
}
func (c client) List(ctx context.Context, r ListRequest) (OrderList, error) {
	return list.Call(ctx, c.conn, r)
}
func (c client) Cancel(ctx context.Context, r CancelRequest) (Order, error) {
	return cancel.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	place.Handle(s, svc.Place)
	get.Handle(s, svc.Get)
	list.Handle(s, svc.List)
	cancel.Handle(s, svc.Cancel)
}
