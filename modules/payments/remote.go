package payments

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

func byOrder(r OrderRequest) string { return r.OrderID }

func byDeposit(r DepositRequest) string { return r.DepositID }

func byReference(r AuthorizeRequest) string {
	if r.OrderID == "" {
		return r.DepositID
	}
	return r.OrderID
}

var (
	authorize = port.Command[AuthorizeRequest, Payment]("payments.authorize", port.Deadline(10*time.Second), port.Key(byReference))
	void      = port.Command[OrderRequest, VoidReply]("payments.void", port.Deadline(10*time.Second), port.Key(byOrder))
	capture   = port.Command[DepositRequest, Payment]("payments.capture_deposit", port.Deadline(10*time.Second), port.Key(byDeposit))
	voidOf    = port.Command[DepositRequest, VoidReply]("payments.void_deposit", port.Deadline(10*time.Second), port.Key(byDeposit))
	refund    = port.Command[RefundRequest, Payment]("payments.refund", port.Deadline(10*time.Second))
	webhook   = port.Command[WebhookRequest, WebhookReply]("payments.take_webhook", port.Key(func(r WebhookRequest) string { return r.Signature }))
	get       = port.Query[GetRequest, Payment]("payments.get")
	ofOrder   = port.Query[OrderRequest, Payment]("payments.by_order")
	ofDeposit = port.Query[DepositRequest, Payment]("payments.by_deposit")
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

func (c client) CaptureDeposit(ctx context.Context, r DepositRequest) (Payment, error) {
	return capture.Call(ctx, c.conn, r)
}
func (c client) VoidDeposit(ctx context.Context, r DepositRequest) (VoidReply, error) {
	return voidOf.Call(ctx, c.conn, r)
}
func (c client) ByDeposit(ctx context.Context, r DepositRequest) (Payment, error) {
	return ofDeposit.Call(ctx, c.conn, r)
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
	capture.Handle(s, svc.CaptureDeposit)
	voidOf.Handle(s, svc.VoidDeposit)
	ofDeposit.Handle(s, svc.ByDeposit)
	webhook.Handle(s, svc.TakeWebhook)
}
