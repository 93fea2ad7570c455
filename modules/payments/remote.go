package payments

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

func byOrder(r OrderRequest) string { return r.OrderID }

var (
	authorize = port.Command[AuthorizeRequest, Payment]("payments.authorize", port.Deadline(10*time.Second), port.Key(func(r AuthorizeRequest) string { return r.OrderID }))
	void      = port.Command[OrderRequest, VoidReply]("payments.void", port.Deadline(10*time.Second), port.Key(byOrder))
	refund    = port.Command[RefundRequest, Payment]("payments.refund", port.Deadline(10*time.Second))
	webhook   = port.Command[WebhookRequest, WebhookReply]("payments.take_webhook", port.Key(func(r WebhookRequest) string { return r.Signature }))
	get       = port.Query[GetRequest, Payment]("payments.get")
	ofOrder   = port.Query[OrderRequest, Payment]("payments.by_order")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Authorize(ctx context.Context, r AuthorizeRequest) (Payment, error) {
	return authorize.Call(ctx, c.conn, r)
}
func (c client) Void(ctx context.Context, r OrderRequest) (VoidReply, error) {
	return void.Call(ctx, c.conn, r)
}
func (c client) Refund(ctx context.Context, r RefundRequest) (Payment, error) {
	return refund.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (Payment, error) {
	return get.Call(ctx, c.conn, r)
}
func (c client) ByOrder(ctx context.Context, r OrderRequest) (Payment, error) {
	return ofOrder.Call(ctx, c.conn, r)
}

func (c client) TakeWebhook(ctx context.Context, r WebhookRequest) (WebhookReply, error) {
	return webhook.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	authorize.Handle(s, svc.Authorize)
	void.Handle(s, svc.Void)
	refund.Handle(s, svc.Refund)
	get.Handle(s, svc.Get)
	ofOrder.Handle(s, svc.ByOrder)
	webhook.Handle(s, svc.TakeWebhook)
}
