// Package paymentshttp answers HTTP for payments. It is written against the
// contract only, so it stays where it is when the module moves out.
package paymentshttp

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/payments"
)

// Deps is what the routes need.
type Deps struct {
	Payments payments.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/payments/{id}", Access: web.User,
		Summary: "Show a payment of one's own.",
		Codes:   []string{payments.PaymentNotFound.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/payments/{id}/refunds", Access: web.Staff, Idempotent: true, Statuses: []int{http.StatusCreated},
		Summary: "Give back up to what was captured.",
		Codes:   []string{payments.PaymentNotFound.Name(), payments.NotRefundable.Name(), payments.InvalidPayment.Name(), payments.ProviderUnavailable.Name()},
	}, d.refund)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/payments/webhook", Access: web.Public, Statuses: []int{http.StatusNoContent},
		Summary: "For the payment provider: tell what became of a charge.",
		Codes:   []string{payments.WebhookRefused.Name()},
	}, d.webhook)
}

type getInput struct {
	ID string `path:"id" doc:"The payment's id." maxLength:"64"`
}

func (d Deps) get(ctx context.Context, in getInput) (web.Reply[payments.Payment], error) {
	p, err := d.Payments.Get(ctx, payments.GetRequest{PaymentID: in.ID})
	return web.OK(p), err
}

type refundInput struct {
	ID   string     `path:"id" doc:"The payment's id." maxLength:"64"`
	Body refundBody `body:""`
}

type refundBody struct {
	Amount money.Money `json:"amount" doc:"How much is given back."`
}

func (d Deps) refund(ctx context.Context, in refundInput) (web.Reply[payments.Payment], error) {
	p, err := d.Payments.Refund(ctx, payments.RefundRequest{PaymentID: in.ID, Amount: in.Body.Amount})
	return web.Created("", p), err
}

// webhookInput takes the body as it came: the signature is over its very bytes.
type webhookInput struct {
	Signature string          `header:"Sandbox-Signature" doc:"t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>" maxLength:"1000"`
	Body      json.RawMessage `body:"" doc:"{id, type, data: the charge}"`
}

func (d Deps) webhook(ctx context.Context, in webhookInput) (web.Reply[web.Nothing], error) {
	_, err := d.Payments.TakeWebhook(ctx, payments.WebhookRequest{Signature: in.Signature, Body: in.Body})
	return web.NoContent(), err
}
