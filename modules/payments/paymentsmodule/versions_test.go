package paymentsmodule_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/contract"
	"github.com/banyan-tree/banyan/internal/contract/contracttest"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

// before is the folder in which the version before this one left what it promised
// and what it said on the wire.
const before = "../../../docs/contracts/previous"

func readRecording(t *testing.T) recording {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(before, "payments.wire"))
	require.NoError(t, err)
	var r recording
	require.NoError(t, json.Unmarshal(body, &r))
	require.Greater(t, len(r.Steps), 12)
	require.GreaterOrEqual(t, len(r.Events), 4)
	return r
}

// TestOldCallersAreAnswered sends today's module every message that the version
// before it sent. The outcomes are the same, and that version can read the replies.
func TestOldCallersAreAnswered(t *testing.T) {
	t.Parallel()
	v := newVersion(t)
	old := contracttest.Reader{Contract: contracttest.Load(t, before, "payments")}
	var ids []string // of payments: then, now, then, now
	answered := map[string]int{}
	for n, s := range readRecording(t).Steps {
		if s.Left != "" {
			v.harness.Capture(t, s.Left)
			continue
		}
		body := strings.NewReplacer(ids...).Replace(string(s.Body))
		m := port.Message{Method: s.Method, Header: s.Header, Body: []byte(body)}
		who := port.System("orders")
		if s.Staff {
			who = port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}}
		}
		token, err := v.signer.Sign(who, s.Method, time.Now().Add(time.Minute))
		require.NoError(t, err)
		m.Header[port.HeaderPrincipal] = token
		reply := v.server.Dispatch(t.Context(), m)
		require.Equal(t, s.Fault, reply.Header[port.HeaderFault], "message %d, %s %s, was answered %s and now %s", n, s.Method, body, s.Reply, reply.Body)
		answered[s.Method+" "+s.Fault]++
		if s.Fault != "" {
			continue
		}
		seen, err := old.Read(old.Method(s.Method).Reply, reply.Body)
		require.NoError(t, err, "the version before cannot read %s", reply.Body)
		var then, now struct{ ID, Status string }
		require.NoError(t, json.Unmarshal(s.Reply, &then))
		require.NoError(t, json.Unmarshal(seen, &now))
		require.Equal(t, then.Status, now.Status)
		if then.ID != "" {
			ids = append(ids, then.ID, now.ID)
		}
	}
	require.GreaterOrEqual(t, len(answered), 9, "kinds of calls and outcomes: %v", answered)

	v.harness.Settle(t)
	types := map[string]int{}
	for _, e := range v.out.all(t, "payments.refunded") {
		if known := old.Event(e.Type); known != nil {
			_, err := old.Read(known.Data, e.Data)
			require.NoError(t, err, "the version before cannot read %s", e.Data)
			types[e.Type]++
		}
	}
	require.Len(t, types, 5, "types of events: %v", types)
}

// played answers as the version before did.
type played struct {
	next  step
	asked port.Message
}

func (p *played) RoundTrip(_ context.Context, m port.Message) (port.Message, error) {
	p.asked = m
	reply := port.Message{Method: m.Method, Header: map[string]string{}, Body: p.next.Reply}
	if p.next.Fault != "" {
		reply.Header[port.HeaderFault] = p.next.Fault
	}
	return reply, nil
}

// TestOldRepliesAreRead lets today's client ask what the version before was asked,
// and gives it that version's replies and events.
func TestOldRepliesAreRead(t *testing.T) {
	t.Parallel()
	old := contracttest.Reader{Contract: contracttest.Load(t, before, "payments")}
	signer, err := port.NewHMACSigner([]byte("the key of a test, known to both its ends"))
	require.NoError(t, err)
	said := readRecording(t)
	calls := 0
	for _, s := range said.Steps {
		if s.Left != "" {
			continue
		}
		p := &played{next: s}
		conn := port.NewConn("payments", port.WithSigner(signer))
		conn.Remote(p)
		reply, err := callByName(t, payments.NewClient(conn), s.Method, s.Body)
		if s.Fault != "" {
			require.Equal(t, s.Fault, fault.From(err).Code.Name())
		} else {
			require.NoError(t, err)
			seen, err := port.Encode(reply)
			require.NoError(t, err)
			again, err := old.Read(old.Method(s.Method).Reply, seen)
			require.NoError(t, err)
			require.JSONEq(t, string(s.Reply), string(again), "something of the old reply was lost")
		}
		asked, err := old.Read(old.Method(s.Method).Request, p.asked.Body)
		require.NoError(t, err, "the version before cannot read the request %s", p.asked.Body)
		require.JSONEq(t, string(s.Body), string(asked))
		require.Equal(t, s.Header[port.HeaderVersion], p.asked.Header[port.HeaderVersion])
		require.Equal(t, s.Header[port.HeaderKind], p.asked.Header[port.HeaderKind])
		calls++
	}
	require.Greater(t, calls, 12)

	for _, e := range said.Events {
		body, err := json.Marshal(e)
		require.NoError(t, err)
		got, err := event.Decode(body)
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(payments.Events(), func(d event.Described) bool { return d.Name() == got.Type && d.Topic() == got.Topic }), got.Type)
		var data payments.PaymentChanged
		require.NoError(t, port.Decode(got.Data, &data))
		seen, err := port.Encode(data)
		require.NoError(t, err)
		again, err := old.Read(old.Event(e.Type).Data, seen)
		require.NoError(t, err)
		require.JSONEq(t, string(e.Data), string(again))
	}
}

// callByName calls a method of the contract with a recorded request.
func callByName(t *testing.T, svc payments.Service, method string, body []byte) (any, error) {
	t.Helper()
	ctx := paymentstest.Shop(t.Context())
	var order payments.OrderRequest
	switch method {
	case "payments.authorize":
		var r payments.AuthorizeRequest
		require.NoError(t, port.Decode(body, &r))
		return svc.Authorize(ctx, r)
	case "payments.void":
		require.NoError(t, port.Decode(body, &order))
		return svc.Void(ctx, order)
	case "payments.by_order":
		require.NoError(t, port.Decode(body, &order))
		return svc.ByOrder(ctx, order)
	case "payments.refund":
		var r payments.RefundRequest
		require.NoError(t, port.Decode(body, &r))
		return svc.Refund(ctx, r)
	case "payments.get":
		var r payments.GetRequest
		require.NoError(t, port.Decode(body, &r))
		return svc.Get(ctx, r)
	}
	require.Fail(t, "the recording has a method that is not known here", method)
	return nil, nil
}

// mixed is a queue from which both versions answer in turn. Of the version before
// it has what a wire shows: it reads and writes by its recorded contract, and knows
// no method that came later.
type mixed struct {
	server    *port.Server
	old       contracttest.Reader
	oldCaller bool
	turn      int
	hits      map[string]int
}

func (x *mixed) RoundTrip(_ context.Context, m port.Message) (port.Message, error) {
	x.turn++
	known := x.old.Method(m.Method)
	if x.oldCaller { // it writes only what it knows
		body, err := x.old.Read(known.Request, m.Body)
		if err != nil {
			return port.Message{}, err
		}
		m.Body = body
	}
	oldServer := x.turn%2 == 0
	if oldServer {
		if known == nil {
			return refused(fault.Unavailable.Errorf("nobody answers %s here", m.Method)), nil
		}
		body, err := x.old.Read(known.Request, m.Body)
		if err != nil {
			return refused(fault.Malformed.Wrap(err, "the request cannot be read: %v", err)), nil
		}
		m.Body = body
	}
	reply := x.server.Dispatch(context.Background(), m)
	x.hits[name(x.oldCaller)+" asks "+name(oldServer)]++
	if (oldServer || x.oldCaller) && reply.Header[port.HeaderFault] == "" {
		body, err := x.old.Read(known.Reply, reply.Body)
		if err != nil {
			return port.Message{}, err
		}
		reply.Body = body
	}
	return reply, nil
}

func name(old bool) string {
	if old {
		return "N-1"
	}
	return "N"
}

func refused(f *fault.Error) port.Message {
	body, _ := f.MarshalJSON()
	return port.Message{Header: map[string]string{port.HeaderFault: f.Code.Name()}, Body: body}
}

// TestVersionsSideBySide lets both versions answer from one queue over one
// database, to callers of both: whoever answers, and whoever a repetition meets, the
// outcome is the same.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	v := newVersion(t)
	x := &mixed{server: v.server, old: contracttest.Reader{Contract: contracttest.Load(t, before, "payments")}, hits: map[string]int{}}
	for _, x.oldCaller = range []bool{false, true} {
		for x.turn = range 2 { // each message meets both
			walk(t, v.client(x), func(order string) { v.harness.Capture(t, order) })
		}
	}
	for _, pair := range []string{"N asks N", "N asks N-1", "N-1 asks N", "N-1 asks N-1"} {
		require.GreaterOrEqual(t, x.hits[pair], 12, "%s: %v", pair, x.hits)
	}

	// What only the new version knows is refused by the old one in a way that may be
	// tried again, and answered by the new one.
	x.oldCaller, x.turn = false, 1
	deposit := payments.DepositRequest{DepositID: "0193f0aa-0000-7000-8000-000000000001"}
	_, err := v.client(x).ByDeposit(paymentstest.Shop(t.Context()), deposit)
	require.ErrorIs(t, err, fault.Unavailable)
	_, err = v.client(x).ByDeposit(paymentstest.Shop(t.Context()), deposit)
	require.ErrorIs(t, err, payments.PaymentNotFound)

	t.Run("a version that does not fit is noticed", func(t *testing.T) {
		needs := contracttest.Load(t, before, "payments")
		needs.Defs["payments.Payment"].Properties["receipt"] = &contract.Schema{Type: "string"}
		needs.Defs["payments.Payment"].Required = append(needs.Defs["payments.Payment"].Required, "receipt")
		wrong := &mixed{server: v.server, old: contracttest.Reader{Contract: needs}, oldCaller: true, hits: map[string]int{}}
		_, err := v.client(wrong).Authorize(paymentstest.Shop(t.Context()), paymentstest.Request("tok_visa"))
		require.ErrorContains(t, err, "receipt is missing")

		asks := contracttest.Load(t, before, "payments")
		asks.Defs["payments.AuthorizeRequest"].Properties["region"] = &contract.Schema{Type: "string"}
		asks.Defs["payments.AuthorizeRequest"].Required = append(asks.Defs["payments.AuthorizeRequest"].Required, "region")
		wrong = &mixed{server: v.server, old: contracttest.Reader{Contract: asks}, turn: 1, hits: map[string]int{}}
		_, err = v.client(wrong).Authorize(paymentstest.Shop(t.Context()), paymentstest.Request("tok_visa"))
		require.ErrorIs(t, err, fault.Malformed)
	})
}
