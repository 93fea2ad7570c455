package cart

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	open       = port.Command[OpenRequest, OpenReply]("cart.open")
	get        = port.Query[GetRequest, Cart]("cart.get")
	setItem    = port.Command[SetItemRequest, Cart]("cart.set_item")
	removeItem = port.Command[RemoveItemRequest, Cart]("cart.remove_item")
	merge      = port.Command[MergeRequest, MergeReply]("cart.merge", port.Key(func(r MergeRequest) string { return r.GuestToken }))
	checkOut   = port.Command[CheckOutRequest, CheckOutReply]("cart.check_out", port.Key(func(r CheckOutRequest) string { return r.OrderID }))
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Open(ctx context.Context, r OpenRequest) (OpenReply, error) {
	return open.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (Cart, error) { return get.Call(ctx, c.conn, r) }
func (c client) SetItem(ctx context.Context, r SetItemRequest) (Cart, error) {
	return setItem.Call(ctx, c.conn, r)
}
func (c client) RemoveItem(ctx context.Context, r RemoveItemRequest) (Cart, error) {
	return removeItem.Call(ctx, c.conn, r)
}
func (c client) Merge(ctx context.Context, r MergeRequest) (MergeReply, error) {
	return merge.Call(ctx, c.conn, r)
}
func (c client) CheckOut(ctx context.Context, r CheckOutRequest) (CheckOutReply, error) {
	return checkOut.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	open.Handle(s, svc.Open)
	get.Handle(s, svc.Get)
	setItem.Handle(s, svc.SetItem)
	removeItem.Handle(s, svc.RemoveItem)
	merge.Handle(s, svc.Merge)
	checkOut.Handle(s, svc.CheckOut)
}
