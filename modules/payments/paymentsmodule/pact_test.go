package paymentsmodule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv/pacttest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

const (
	pactFile = "../../../docs/contracts/pacts/orders-payments.json"
	buyer    = "0193f0aa-0000-7000-8000-0000000000ff" // in the pact
)

// providing is the whole module as orders reach it, in the states of the pact.
type providing struct {
	*version
	interactions map[string]pacttest.Interaction
	alter        func(description string, a *pacttest.Answer) // what a broken provider does
}

func provide(t *testing.T) *providing {
	t.Helper()
	p := &providing{version: newVersion(t), interactions: map[string]pacttest.Interaction{}, alter: func(string, *pacttest.Answer) {}}
	for _, i := range pacttest.Read(t, pactFile) {
		p.interactions[i.Description] = i
		p.reach(t, i.State())
	}
	return p
}

// reach brings an order into the state that the pact names: "captured <order>".
func (p *providing) reach(t *testing.T, state string) {
	t.Helper()
	h := p.harness
	if state == "" {
		return
	}
	what, order, _ := strings.Cut(state, " ")
	shop := paymentstest.Shop(t.Context())
	if what == "voided" {
		_, err := h.Service.Void(shop, payments.OrderRequest{OrderID: order})
		require.NoError(t, err)
		return
	}
	paid, err := h.Service.Authorize(shop, payments.AuthorizeRequest{OrderID: order, UserID: buyer, Amount: money.Of(10000, "USD"), Token: "tok_visa"})
	require.NoError(t, err)
	switch what {
	case "authorised":
	case "captured":
		h.Capture(t, order)
	case "refunded":
		h.Capture(t, order)
		_, err := h.Service.Refund(paymentstest.Staff(t.Context(), order), payments.RefundRequest{PaymentID: paid.ID, Amount: paid.Amount})
		require.NoError(t, err)
	default:
		require.Fail(t, "the pact names a state that is not known here", state)
	}
	if what != "authorised" {
		require.Eventually(t, func() bool {
			_, found := p.out.find("payments."+what, order)
			return found
		}, patience, 20*time.Millisecond)
	}
}

// answer does what the real wire does: a message is dispatched, or an event was sent.
func (p *providing) answer(description string) (pacttest.Answer, error) {
	i, known := p.interactions[description]
	if !known {
		return pacttest.Answer{}, fmt.Errorf("%q is not in the pact", description)
	}
	a := pacttest.Answer{Metadata: map[string]any{"contentType": port.ContentType}}
	if i.Type != "Synchronous/Messages" {
		_, order, _ := strings.Cut(i.State(), " ")
		e, found := p.out.find(description, order)
		if !found {
			return a, fmt.Errorf("%s was not published", description)
		}
		var err error
		a.Body, err = json.Marshal(e)
		p.alter(description, &a)
		return a, err
	}
	m := port.Message{Header: map[string]string{}, Body: i.Request.Contents.Content}
	for name, value := range i.Request.Metadata {
		m.Header[name] = fmt.Sprint(value)
	}
	m.Method, m.Header[port.HeaderContentType] = m.Header["method"], m.Header["contentType"]
	token, err := p.signer.Sign(port.System("orders"), m.Method, time.Now().Add(time.Minute))
	if err != nil {
		return a, err
	}
	m.Header[port.HeaderPrincipal] = token
	reply := p.server.Dispatch(context.Background(), m)
	a.Body = reply.Body
	if code := reply.Header[port.HeaderFault]; code != "" {
		a.Metadata[port.HeaderFault] = code
	}
	p.alter(description, &a)
	return a, nil
}

// TestPactWithOrders proves that the module keeps what orders rely on, and that
// one which does not is refused.
func TestPactWithOrders(t *testing.T) {
	t.Parallel()
	p := provide(t)
	said, kept := pacttest.Verify(t, pactFile, "payments", p.answer)
	require.True(t, kept, "%s", said)

	for _, broken := range []struct{ interaction, old, new, told string }{
		{"read a payment", `"status":`, `"state":`, "status"},
		{"read a payment", `"authorised"`, `"AUTHORISED"`, "AUTHORISED"},
		{"authorise a good card", `"amount":10000`, `"amount":"10000"`, "10000"},
		{"payments.captured", `"order_id":`, `"order":`, "order_id"},
	} {
		changed := false
		p.alter = func(description string, a *pacttest.Answer) {
			if description == broken.interaction {
				changed = bytes.Contains(a.Body, []byte(broken.old))
				a.Body = bytes.Replace(a.Body, []byte(broken.old), []byte(broken.new), 1)
			}
		}
		said, kept := pacttest.Verify(t, pactFile, "payments", p.answer)
		require.True(t, changed, "nothing was broken")
		require.False(t, kept, "%s with %s was accepted:\n%s", broken.interaction, broken.new, said)
		require.Contains(t, said, broken.told)
	}
	p.alter = func(description string, a *pacttest.Answer) {
		if description == "authorise a card that is declined" {
			a.Metadata[port.HeaderFault] = "payment.refused"
		}
	}
	said, kept = pacttest.Verify(t, pactFile, "payments", p.answer)
	require.False(t, kept, "another code was accepted:\n%s", said)
}
