package paymentshttp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentshttp"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

func setup(t *testing.T, svc payments.Service) *webtest.Server {
	t.Helper()
	return webtest.New(t, func(r *web.Router) { paymentshttp.Register(r, paymentshttp.Deps{Payments: svc}) })
}

func TestGet(t *testing.T) {
	t.Parallel()
	fake := paymentstest.NewFake()
	s := setup(t, fake)
	p := paymentstest.MustAuthorize(t, fake)
	path := "/api/v1/payments/" + p.ID
	for _, who := range []string{"user:" + p.UserID, "staff", "admin"} {
		r := s.Do("GET", path, nil, webtest.As(who)).Require(200)
		require.Equal(t, "authorised", r.Get("status"))
	}
	s.Do("GET", path, nil).Require(401)
	s.Do("GET", path, nil, webtest.As("user:somebody-else")).RequireCode(404, "payment.not_found")
}

func TestRefund(t *testing.T) {
	t.Parallel()
	fake := paymentstest.NewFake()
	s := setup(t, fake)
	p := paymentstest.MustAuthorize(t, fake)
	require.True(t, fake.Capture(p.OrderID))
	path := "/api/v1/payments/" + p.ID + "/refunds"
	body := func(amount int) any {
		return map[string]any{"amount": map[string]any{"amount": amount, "currency": "USD"}}
	}
	staff := webtest.As("staff")
	s.Do("POST", path, body(100), staff).RequireCode(400, "idempotency_key.missing")
	s.Do("POST", path, body(100), webtest.As("user:"+p.UserID).With("Idempotency-Key", "a")).Require(403)
	for range 2 {
		r := s.Do("POST", path, body(100), staff.With("Idempotency-Key", "k1")).Require(201)
		require.Equal(t, "refunded", r.Get("status"))
	}
	s.Do("POST", path, body(101), staff.With("Idempotency-Key", "k1")).RequireCode(422, "idempotency_key.reused")
	s.Do("POST", path, body(20000), staff.With("Idempotency-Key", "k2")).RequireCode(409, "payment.not_refundable")
	s.Do("POST", path, body(0), staff.With("Idempotency-Key", "k3")).RequireCode(422, "payment.invalid")
	s.Do("POST", path, map[string]any{"amount": 5}, staff.With("Idempotency-Key", "k4")).Require(400)
	require.EqualValues(t, 100, must(fake.ByOrder(paymentstest.Shop(t.Context()), payments.OrderRequest{OrderID: p.OrderID})).Refunded.Amount)
}

func must(p payments.Payment, err error) payments.Payment {
	if err != nil {
		panic(err)
	}
	return p
}

// hearing is a service that notes what webhooks it is told.
type hearing struct {
	*paymentstest.Fake
	heard []payments.WebhookRequest
}

func (h *hearing) TakeWebhook(ctx context.Context, req payments.WebhookRequest) (payments.WebhookReply, error) {
	if req.Signature == "" {
		return h.Fake.TakeWebhook(ctx, req)
	}
	h.heard = append(h.heard, req)
	return payments.WebhookReply{}, nil
}

func TestWebhookIsTakenByteForByte(t *testing.T) {
	t.Parallel()
	h := &hearing{Fake: paymentstest.NewFake()}
	s := setup(t, h)
	body := map[string]any{"id": "evt_1", "data": map[string]any{"amount": 1.50, "html": "<&>"}}
	s.Do("POST", "/api/v1/payments/webhook", body).RequireCode(401, "payment.webhook_refused")
	s.Do("POST", "/api/v1/payments/webhook", body, webtest.Header{"Sandbox-Signature": "t=1,v1=00"}).Require(204)
	require.Len(t, h.heard, 1)
	require.Equal(t, "t=1,v1=00", h.heard[0].Signature)
	require.JSONEq(t, `{"id":"evt_1","data":{"amount":1.5,"html":"<&>"}}`, string(h.heard[0].Body))
}
