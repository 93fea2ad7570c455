package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
)

// A message that is no event stops nobody, and an operator finds it beside the
// events that failed.
func TestDeadLettersOfTheBroker(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewRabbitSite(t))
	before := strings.Count(s.Log.String(), "no session") // a busy machine may have tried twice
	rabbittest.Publish(t, s.Setting("BANYAN_AMQP_URL"), "orders.order", "nonsense", "no event at all")
	order := s.Customer(t).Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"))
	listeners := listenersTo(t, s, "orders.order")
	require.Contains(t, listeners, "shipping")
	var dead []shoptest.Object
	listed := func() bool {
		s.JSON(t, &dead, "events", "dead", "list", "--json")
		return len(dead) == len(listeners)
	}
	shoptest.Until(t, "the message is put aside by each who got it", listed)
	require.Equal(t, before, strings.Count(s.Log.String(), "no session"), "who puts a message aside goes on")
	for _, d := range dead {
		require.Equal(t, "put aside", d["state"])
		require.Contains(t, d["reason"], "read an event")
	}
	require.Contains(t, s.OK(t, "events", "dead", "show", "shipping", "nonsense"), "no event at all")
	wrong := s.App(t, "events", "dead", "replay", "shipping", "nonsense", "nothing")
	require.Equal(t, 1, wrong.Code)
	require.Contains(t, wrong.Stderr, "shipping has no dead letter nothing")
	require.Contains(t, s.OK(t, "events", "dead", "replay", "shipping", "nonsense"), "1 events", "nothing was done before")
	shoptest.Until(t, "the message is put aside again", listed)
	found := s.App(t, "audit")
	require.Equal(t, 3, found.Code, found.Stderr)
	require.Contains(t, found.Stdout, "events.nothing_put_aside")
	require.Contains(t, found.Stdout, "message nonsense for shipping")
	for _, consumer := range listeners {
		s.OK(t, "events", "dead", "drop", consumer, "nonsense", "--reason", "made by a test")
	}
	s.JSON(t, &dead, "events", "dead", "list", "--json")
	require.Empty(t, dead)
	s.Audited(t)
}

// listenersTo gives the modules whose queues get a topic.
func listenersTo(t *testing.T, s *shoptest.Server, topic string) (modules []string) {
	t.Helper()
	var on struct {
		Queues []struct {
			Name, Owner string
			Bindings    []string
		}
	}
	s.JSON(t, &on, "topology", "--json")
	for _, q := range on.Queues {
		if slices.Contains(q.Bindings, topic) {
			modules = append(modules, q.Owner)
		}
	}
	return modules
}

// With the broker away shoppers still order; what happened is told when it is back.
func TestBrokerDown(t *testing.T) {
	t.Parallel()
	at, wire := wired(t)
	s := shoptest.Serve(t, at)
	ada := s.Customer(t)
	wire.Down()
	orders := orderedWithout(t, s, ada)
	wire.Up(t)
	shipped(t, s, orders)
	s.Quiet(t) // the others hear of all that was kept, too
	s.Audited(t)
}

// A shop that starts while the broker is away opens without it. It is as ready as one
// whose broker went away later, and nothing of what happened is lost.
func TestShopOpensWithoutItsBroker(t *testing.T) {
	t.Parallel()
	at, wire := wired(t)
	wire.Down()
	s := shoptest.Serve(t, at)
	shoptest.Until(t, "it tells that it opened without", func() bool { return strings.Contains(s.Log.String(), "opening without RabbitMQ") })
	require.Contains(t, s.Anyone().Get(t, "//health/ready").Raw, rabbit.ErrNotConnected.Error())
	orders := orderedWithout(t, s, s.Customer(t))
	wire.Up(t)
	shipped(t, s, orders)
	s.Quiet(t) // the others hear of all that was kept, too
	s.Audited(t)
}

// wired is a shop whose events go over a wire to the broker.
func wired(t *testing.T) (shoptest.Site, *rabbittest.Wire) {
	t.Helper()
	at := shoptest.NewRabbitSite(t)
	wire := rabbittest.NewWire(t, at.Setting("BANYAN_AMQP_URL"))
	return at.With("BANYAN_AMQP_URL="+wire.URL, "BANYAN_PORTS_RABBITMQ="), wire
}

// orderedWithout gives orders that are confirmed while the broker is away.
func orderedWithout(t *testing.T, s *shoptest.Server, ada shoptest.Client) (orders []string) {
	t.Helper()
	for range 3 {
		order := ada.Buy(t, shoptest.Staple, 1, "tok_visa")
		require.Equal(t, "confirmed", order.Text("status"))
		orders = append(orders, order.Text("id"))
	}
	var logged []shoptest.Object
	s.JSON(t, &logged, "events", "list", "--from", "orders", "--aggregate", orders[0], "--json")
	require.Len(t, logged, 1)
	require.NotContains(t, logged[0], "sentat", "the event left although there was no broker")
	return orders
}

// shipped waits until shipping has heard of each order.
func shipped(t *testing.T, s *shoptest.Server, orders []string) {
	t.Helper()
	for _, id := range orders {
		shoptest.Until(t, "shipping has heard of the order", func() bool {
			var shipped []shoptest.Object
			s.JSON(t, &shipped, "events", "list", "--from", "shipping", "--type", "shipping.shipment_created", "--json")
			for _, e := range shipped {
				if data, ok := e["data"].(map[string]any); ok && data["order_id"] == id {
					return true
				}
			}
			return false
		})
	}
}
