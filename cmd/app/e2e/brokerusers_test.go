package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Every module has a user of its own on the broker: the whole shop, payments moved
// out, works with these, and none of them can touch what is another's.
func TestUsersOfTheBroker(t *testing.T) {
	t.Parallel()
	at, login := usersOfTheirOwn(t, shoptest.NewExtractedSite(t))
	s := shoptest.Serve(t, at)

	admin, buyer := s.Admin(t), s.Customer(t)
	order := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"), order.Raw)
	s.Dispatched(t, admin, order.Text("id"))
	buyer.Reaches(t, "/payments/"+order.Text("payment_id"), "captured") // payments has heard of the parcel

	on := topologyOf(t, s)
	users := map[string]*rabbittest.User{}
	for _, q := range on {
		if users[q.Owner] == nil {
			users[q.Owner] = login(q.Owner)
		}
	}
	tried := 0
	for owner, user := range users {
		for _, q := range on {
			if q.Owner == owner {
				continue
			}
			source, stream := strings.CutPrefix(q.Name, "log.")
			if stream { // history is read by those who listen to it, and by nobody else
				require.Equal(t, slices.ContainsFunc(on, func(o queue) bool {
					return o.Name == "events."+owner && slices.ContainsFunc(o.Bindings, func(topic string) bool { return strings.HasPrefix(topic, source+".") })
				}), user.MayConsume(t, q.Name), "%s reads %s", owner, q.Name)
			} else {
				require.False(t, user.MayConsume(t, q.Name), "%s consumes %s", owner, q.Name)
			}
			require.False(t, user.MayDeclare(t, q.Name, q.Arguments), "%s declares %s", owner, q.Name)
			tried += 2
		}
	}
	require.Greater(t, tried, 500)

	// The same in every way for payments and orders.
	payments := users["payments"]
	for _, name := range []string{"rpc.orders", "events.orders", "dead.orders"} {
		require.False(t, payments.MayGet(t, name))
		require.False(t, payments.MayPurge(t, name))
		require.False(t, payments.MayDelete(t, name))
		require.False(t, payments.MayBind(t, name, "payments.#", rabbit.EventsExchange))
	}
	require.False(t, payments.MayDelete(t, "log.orders"))
	require.False(t, payments.MayBind(t, "dead.payments", "orders.#", rabbit.EventsExchange), "what it does not listen to")
	require.False(t, payments.MayDeleteExchange(t, rabbit.EventsExchange))
	require.False(t, payments.MayPublish(t, rabbit.EventsExchange, "orders.order", "", "", "{}"))

	buyer.PutInCart(t, shoptest.Staple, 1)
	again := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", again.Text("status"), again.Raw)
	s.Audited(t)
}

// Who may call may put a message into any queue. One that says it is an event of
// somebody else does nothing.
func TestForgedEvent(t *testing.T) {
	t.Parallel()
	at, login := usersOfTheirOwn(t, shoptest.NewRabbitSite(t))
	s := shoptest.Serve(t, at)
	buyer := s.Customer(t)
	order := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", order.Text("status"))
	forged := `{"id":"01900000-0000-7000-8000-00000000f0f0","source":"shipping","topic":"shipping.shipment","type":"shipping.shipment_dispatched",` +
		`"subject":"01900000-0000-7000-8000-00000000f0f1","aggregateversion":1,"time":"2026-11-25T00:00:00Z",` +
		`"data":{"shipment_id":"01900000-0000-7000-8000-00000000f0f1","order_id":"` + order.Text("id") + `"}}`
	cart := login("cart")
	require.True(t, cart.MayPublish(t, "", "events.payments", "cart", "forged", forged))

	var dead []shoptest.Object
	shoptest.Until(t, "the message is put aside", func() bool {
		s.JSON(t, &dead, "events", "dead", "list", "--json")
		return len(dead) > 0
	})
	require.Len(t, dead, 1)
	require.Equal(t, "payments", dead[0]["consumer"])
	require.Contains(t, dead[0]["reason"], "past the exchange")
	require.Equal(t, "authorised", buyer.Get(t, "/payments/"+order.Text("payment_id")).Text("status"))
	require.Contains(t, s.OK(t, "events", "dead", "replay", "payments"), "1 events")
	shoptest.Until(t, "payments takes it once its operator sends it", func() bool {
		return buyer.Get(t, "/payments/"+order.Text("payment_id")).Text("status") == "captured"
	})
}

// brokerPassword is that of every user: the broker is one for all tests.
const brokerPassword = "a-password-of-tests"

// usersOfTheirOwn gives every module of a site a user on the broker, as the docs
// say, and a way to log in as one of them.
func usersOfTheirOwn(t *testing.T, at shoptest.Site) (shoptest.Site, func(user string) *rabbittest.User) {
	t.Helper()
	broker, err := url.Parse(at.Setting("BANYAN_AMQP_URL"))
	require.NoError(t, err)
	names := []string{"shop", "identity", "catalog", "shipping", "pricing", "cart", "inventory", "payments", "wallet", "orders", "search"}
	file := filepath.Join(t.TempDir(), "broker-users")
	ending := ":" + brokerPassword + "\n"
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(names, ending)+ending), 0o600))
	testenv.RabbitMQDefine(t, at.With("BANYAN_DATABASE_URL=").OK(t, "topology", "users", file, "--vhost", strings.TrimPrefix(broker.Path, "/")))
	as := func(user string) string {
		u := *broker
		u.User = url.UserPassword(user, brokerPassword)
		return u.String()
	}
	return at.With("BANYAN_AMQP_URL="+as("shop"), "BANYAN_AMQP_USERS_FILE="+file), func(user string) *rabbittest.User {
		return rabbittest.Login(t, as(user))
	}
}

type queue struct {
	Name, Owner string
	Arguments   map[string]any
	Bindings    []string
}

func topologyOf(t *testing.T, s *shoptest.Server) []queue {
	t.Helper()
	var on struct{ Queues []queue }
	s.JSON(t, &on, "topology", "--json")
	return on.Queues
}
