package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
)

// A message that is no event stops nobody, and an operator finds it beside the
// events that failed.
func TestDeadLettersOfTheBroker(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewRabbitSite(t))
	rabbittest.Publish(t, s.Setting("BANYAN_AMQP_URL"), "orders.order", "nonsense", "no event at all")
	order := s.Customer(t).Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"))
	var dead []shoptest.Object
	listed := func() bool {
		s.JSON(t, &dead, "events", "dead", "list", "--json")
		return len(dead) == 3 // shipping, inventory and payments listen to orders
	}
	shoptest.Until(t, "the message is put aside by each who got it", listed)
	for _, d := range dead {
		require.Equal(t, "put aside", d["state"])
		require.Contains(t, d["reason"], "read an event")
	}
	require.Contains(t, s.OK(t, "events", "dead", "show", "shipping", "nonsense"), "no event at all")
	require.Contains(t, s.OK(t, "events", "dead", "replay", "shipping"), "1 events")
	shoptest.Until(t, "the message is put aside again", listed)
	for _, consumer := range []string{"shipping", "inventory", "payments"} {
		s.OK(t, "events", "dead", "drop", consumer, "nonsense", "--reason", "made by a test")
	}
	s.JSON(t, &dead, "events", "dead", "list", "--json")
	require.Empty(t, dead)
	s.Audited(t)
}
