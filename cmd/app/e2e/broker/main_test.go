// Package broker breaks what is between the processes of a shop, and those
// processes: the broker is killed, starved and stopped, parts of the shop die and
// come back in any order. What became of every order is judged from outside, by
// answers, by the payment provider's ledger, by the audit, and by what lies in the
// broker's queues.
package broker

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }

const chief = "chief@example.com"

var chiefs = []string{"BANYAN_ADMIN_EMAIL=" + chief, "BANYAN_ADMIN_PASSWORD=" + shoptest.Password}

// cards are those that a shop on a sick network meets.
var cards = []string{"tok_visa", "tok_lost_reply", "tok_visa", "tok_declined", "tok_visa", "tok_flaky", shoptest.Wallet}

func sometime(t *testing.T, least, most time.Duration) {
	t.Helper()
	select {
	case <-time.After(least + rand.N(most-least)):
	case <-t.Context().Done():
	}
}

// queues gives the names of the queues of a kind: "events.", "dead.".
func queues(t *testing.T, at shoptest.Site, kind string) (names []string) {
	t.Helper()
	at.Here, at.Beside = "", ""
	var on struct{ Queues []struct{ Name string } }
	at.JSON(t, &on, "topology", "--json")
	for _, q := range on.Queues {
		if strings.HasPrefix(q.Name, kind) {
			names = append(names, q.Name)
		}
	}
	require.NotEmpty(t, names)
	return names
}

// lying counts what lies in the queues of a kind.
func lying(t *testing.T, at shoptest.Site, kind string) (n int) {
	t.Helper()
	for _, q := range queues(t, at, kind) {
		n += rabbittest.Lying(t, at.Setting("BANYAN_AMQP_URL"), q)
	}
	return n
}

// delivered waits until every confirmed order of a crowd has one shipment of its
// own: the event of each was taken over, and had its effect once.
func delivered(t *testing.T, at shoptest.Site, admin shoptest.Client, c *shoptest.Crowd) {
	t.Helper()
	shipments := map[string]bool{}
	confirmed := 0
	for _, b := range c.Buyers {
		for _, w := range b.Wishes {
			o := admin.Get(t, "/orders/"+w.Order)
			if o.Text("status") != "confirmed" {
				continue
			}
			confirmed++
			shoptest.Until(t, "order "+w.Order+" has a shipment", func() bool {
				o = admin.Get(t, "/orders/"+w.Order)
				return o.Text("shipment_id") != ""
			})
			shipments[o.Text("shipment_id")] = true
		}
	}
	require.Len(t, shipments, confirmed, "shipments of confirmed orders")
	for _, q := range queues(t, at, "events.") {
		shoptest.Until(t, "nothing lies in "+q, func() bool { return rabbittest.Lying(t, at.Setting("BANYAN_AMQP_URL"), q) == 0 })
	}
}

// goroutines of a process, as it tells itself.
func goroutines(t *testing.T, s *shoptest.Server) float64 { return s.Metric(t, "go_goroutines") }

// few is how many more goroutines there may be after a storm: connections to the
// database and of the last who asked, and a worker for the calls of each module.
// Sessions that leak have more.
const few = 25

// calm waits until the goroutines of a process are as many as before.
func calm(t *testing.T, s *shoptest.Server, before float64) {
	t.Helper()
	var now float64
	shoptest.Until(t, "the goroutines are back", func() bool {
		now = goroutines(t, s)
		return now <= before+few
	})
	t.Logf("goroutines: %.0f before, %.0f after", before, now)
}
