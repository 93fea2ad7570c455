package ordersmodule_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/internal/testenv/pacttest"
	"github.com/banyan-tree/banyan/modules/payments"
)

const pactFile = "../../../docs/contracts/pacts/orders-payments.json"

// relied is a call as orders make it, with what they rely on in the answer.
type relied struct {
	about, state, method, key string
	command                   bool
	request, reply            map[string]any
	fault                     string // code of the refusal; empty: it is answered
	call                      func(ctx context.Context, svc payments.Service) (any, error)
	want                      any // what orders read
}

// Ids of the orders that the provider has in its states.
const (
	orderNew      = "0193f0aa-0000-7000-8000-000000000001"
	orderDeclined = "0193f0aa-0000-7000-8000-000000000002"
	orderPaid     = "0193f0aa-0000-7000-8000-000000000003"
	orderVoided   = "0193f0aa-0000-7000-8000-000000000004"
	orderUnknown  = "0193f0aa-0000-7000-8000-000000000005"
	orderToVoid   = "0193f0aa-0000-7000-8000-000000000006"
	orderCaptured = "0193f0aa-0000-7000-8000-000000000007"
	orderRefunded = "0193f0aa-0000-7000-8000-000000000008"
	buyer         = "0193f0aa-0000-7000-8000-0000000000ff"
	paymentID     = "0193f0aa-0000-7000-8000-00000000abcd"
	anyID         = `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`
)

func usd(cents int64) map[string]any { return map[string]any{"amount": cents, "currency": "USD"} }

// payment is what orders rely on in a payment. Refunded and captured money has to
// have the form of an amount.
func payment(order, status string, captured any) map[string]any {
	return map[string]any{
		"id": pacttest.Matching(anyID, paymentID), "order_id": order, "user_id": buyer, "status": status,
		"amount": usd(10000), "captured": captured, "refunded": pacttest.Like(usd(0)),
		"created_at": pacttest.Moment(), "updated_at": pacttest.Moment(),
	}
}

func refusal(code, kind string) map[string]any {
	return map[string]any{"code": code, "kind": kind, "message": pacttest.Like("why")}
}

func authorisation(order, token string) payments.AuthorizeRequest {
	return payments.AuthorizeRequest{OrderID: order, UserID: buyer, Amount: money.Of(10000, "USD"), Token: token}
}

func calls() []relied {
	ask := func(order, token string) map[string]any {
		return map[string]any{"order_id": order, "user_id": buyer, "amount": usd(10000), "token": token}
	}
	named := func(order string) map[string]any { return map[string]any{"order_id": order} }
	authorise := func(order, token string) func(context.Context, payments.Service) (any, error) {
		return func(ctx context.Context, svc payments.Service) (any, error) {
			p, err := svc.Authorize(ctx, authorisation(order, token))
			return [3]any{p.ID, p.Status, p.Amount}, err
		}
	}
	read := func(order string) func(context.Context, payments.Service) (any, error) {
		return func(ctx context.Context, svc payments.Service) (any, error) {
			p, err := svc.ByOrder(ctx, payments.OrderRequest{OrderID: order})
			return [3]any{p.ID, p.Status, p.Amount}, err
		}
	}
	return []relied{
		{
			about: "authorise a good card", method: "payments.authorize", command: true, key: orderNew,
			request: ask(orderNew, "tok_visa"), reply: payment(orderNew, payments.Authorised, pacttest.Like(usd(0))),
			call: authorise(orderNew, "tok_visa"), want: [3]any{paymentID, payments.Authorised, money.Of(10000, "USD")},
		},
		{
			about: "authorise a card that is declined", method: "payments.authorize", command: true, key: orderDeclined,
			request: ask(orderDeclined, "tok_declined"), reply: refusal("payment.declined", "conflict"), fault: "payment.declined",
			call: authorise(orderDeclined, "tok_declined"), want: payments.Declined,
		},
		{
			about: "authorise an order that was given up", state: "voided " + orderVoided, method: "payments.authorize", command: true, key: orderVoided,
			request: ask(orderVoided, "tok_visa"), reply: refusal("payment.voided", "conflict"), fault: "payment.voided",
			call: authorise(orderVoided, "tok_visa"), want: payments.AlreadyVoided,
		},
		{
			about: "give up an order that is paid", state: "authorised " + orderToVoid, method: "payments.void", command: true, key: orderToVoid,
			request: named(orderToVoid), reply: map[string]any{},
			call: func(ctx context.Context, svc payments.Service) (any, error) {
				return svc.Void(ctx, payments.OrderRequest{OrderID: orderToVoid})
			}, want: payments.VoidReply{},
		},
		{
			about: "read a payment", state: "authorised " + orderPaid, method: "payments.by_order",
			request: named(orderPaid), reply: payment(orderPaid, payments.Authorised, pacttest.Like(usd(0))),
			call: read(orderPaid), want: [3]any{paymentID, payments.Authorised, money.Of(10000, "USD")},
		},
		{
			about: "read a payment that does not exist", method: "payments.by_order",
			request: named(orderUnknown), reply: refusal("payment.not_found", "not_found"), fault: "payment.not_found",
			call: read(orderUnknown), want: payments.PaymentNotFound,
		},
	}
}

func (r relied) asked() map[string]string {
	m := map[string]string{
		"contentType": port.ContentType, "method": r.method, port.HeaderVersion: "1", port.HeaderKind: "query",
	}
	if r.command {
		m[port.HeaderKind], m[port.HeaderScope], m[port.HeaderKey] = "command", r.method, r.key
	}
	return m
}

func (r relied) answered() map[string]string {
	m := map[string]string{"contentType": port.ContentType}
	if r.fault != "" {
		m[port.HeaderFault] = r.fault
	}
	return m
}

// mock answers one call as the pact has it, and keeps what was asked.
type mock struct {
	reply []byte
	fault string
	asked port.Message
}

func (m *mock) RoundTrip(_ context.Context, asked port.Message) (port.Message, error) {
	m.asked = asked
	reply := port.Message{Method: asked.Method, Header: map[string]string{}, Body: m.reply}
	if m.fault != "" {
		reply.Header[port.HeaderFault] = m.fault
	}
	return reply, nil
}

func heard(kind string, order string) pacttest.Event {
	return pacttest.Event{
		Description: kind, State: map[string]string{"payments.captured": "captured ", "payments.refunded": "refunded "}[kind] + order,
		Content: map[string]any{
			"id": pacttest.Matching(anyID, paymentID), "source": "payments", "topic": payments.Topic, "type": kind,
			"subject": pacttest.Matching(anyID, paymentID), "aggregateversion": pacttest.Like(2), "time": pacttest.Moment(),
			"data": map[string]any{
				"payment_id": pacttest.Matching(anyID, paymentID), "order_id": order, "user_id": buyer, "amount": usd(10000),
			},
		},
		Metadata: map[string]string{"contentType": "application/json"},
	}
}

// TestPactWithPayments records what orders rely on from payments: their client
// meets a mock that plays the pact, for calls and for events.
func TestPactWithPayments(t *testing.T) {
	t.Parallel()
	job := pacttest.Job{Consumer: "orders", Provider: "payments", Events: []pacttest.Event{
		heard("payments.captured", orderCaptured), heard("payments.refunded", orderRefunded),
	}}
	byName := map[string]relied{}
	for _, r := range calls() {
		byName[r.about] = r
		job.Calls = append(job.Calls, pacttest.Call{
			Description: r.about, State: r.state, Request: r.request, Reply: r.reply, RequestMetadata: r.asked(), ReplyMetadata: r.answered(),
		})
	}
	signer, err := port.NewHMACSigner([]byte("the key of a test, known to both its ends"))
	require.NoError(t, err)
	pacttest.Record(t, pactFile, job, func(t *testing.T, o pacttest.Offer) {
		if o.Content != nil {
			consumeEvent(t, o)
			return
		}
		r := byName[o.Description]
		m := &mock{reply: o.Reply, fault: r.fault}
		conn := port.NewConn("payments", port.WithSigner(signer))
		conn.Remote(m)
		ctx := port.WithPrincipal(t.Context(), port.System("orders"))
		got, err := r.call(ctx, payments.NewClient(conn))
		if r.fault == "" {
			require.NoError(t, err)
			require.Equal(t, r.want, got)
		} else {
			require.ErrorIs(t, err, r.want.(error))
		}
		require.JSONEq(t, string(o.Request), string(m.asked.Body), "orders ask otherwise than the pact says")
		header := maps.Clone(m.asked.Header)
		header["method"], header["contentType"] = m.asked.Method, header[port.HeaderContentType]
		for name, value := range r.asked() {
			require.Equal(t, value, header[name], name)
		}
	})
}

// consumeEvent reads an event as orders do, through their inbox.
func consumeEvent(t *testing.T, o pacttest.Offer) {
	t.Helper()
	e, err := event.Decode(o.Content)
	require.NoError(t, err)
	e.Version = 1 // the first that this inbox sees
	db := testenv.SQLite(t, "orders")
	require.NoError(t, db.Migrate(t.Context(), event.InboxMigrations()))
	c := event.NewConsumer(db, clock.System)
	var got *payments.PaymentChanged
	hear := func(kind string) func(context.Context, event.Meta, payments.PaymentChanged) error {
		return func(_ context.Context, m event.Meta, data payments.PaymentChanged) error {
			if kind != o.Description || m.ID != paymentID {
				return errors.New("another event was expected")
			}
			got = &data
			return nil
		}
	}
	event.On(c, payments.PaymentCaptured, hear("payments.captured"))
	event.On(c, payments.PaymentRefunded, hear("payments.refunded"))
	bus, err := event.NewBus(slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	require.NoError(t, err)
	bus.Subscribe(c)
	require.NoError(t, c.Deliver(t.Context(), []event.Envelope{e}))
	require.NotNil(t, got, "the event was not applied")
	require.Equal(t, paymentID, got.PaymentID)
	require.Equal(t, buyer, got.UserID)
	require.Equal(t, money.Of(10000, "USD"), got.Amount)
	var raw struct {
		Data struct {
			OrderID string `json:"order_id"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(o.Content, &raw))
	require.Equal(t, raw.Data.OrderID, got.OrderID)
}
