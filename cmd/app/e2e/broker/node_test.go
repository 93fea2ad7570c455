package broker

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestBrokerFaults does to a broker what happens to brokers. Each fault has one of its
// own: what one shop left in it would come to the next.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	if shoptest.Storm(0, 1) == 0 {
		t.Skip("it takes minutes, so at full size only: BANYAN_TEST_STORM=full")
	}
	for name, fault := range map[string]func(t *testing.T, node *testenv.Node){"killed": killed, "starved": starved, "stopped": stoppedForAWhile} {
		t.Run(name, func(t *testing.T) { fault(t, testenv.OwnRabbitMQ(t)) }) //nolint:paralleltest // each takes the machine
	}
}

// killed ends the broker again and again while customers check out of a shop whose
// halves talk over it. Each order is decided once, each event has its effect once,
// and of two planted messages that are no events there is one letter a listener.
func killed(t *testing.T, node *testenv.Node) {
	at := shoptest.NewSplitSite(t, chiefs...).With("BANYAN_AMQP_URL=" + node.URL)
	s := shoptest.Serve(t, at)
	admin := s.LogIn(t, chief, shoptest.Password)
	c := s.NewCrowd(t, admin, shoptest.Storm(12, 40), shoptest.Storm(8, 60), 100_000, cards...)
	c.Hasty = true               // the broker may be away for longer than a checkout has
	for _, b := range c.Buyers { // each has its connection
		b.Get(t, "/cart")
	}
	here, beside := goroutines(t, s), goroutines(t, s.Others[0])

	var over atomic.Bool
	c.More = func() bool { return !over.Load() }
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Burst(t.Context(), t, s.Here)
	}()
	kills, hard := shoptest.Storm(2, 20), 0
	gap := time.Duration(shoptest.Storm(300, 1000)) * time.Millisecond
	var healed []time.Duration
	for n := range kills {
		for began := time.Now(); !t.Failed() && (time.Since(began) < gap || c.UnderWay.Load() == 0); {
			sometime(t, 10*time.Millisecond, 400*time.Millisecond)
		}
		if n == 0 {
			rabbittest.Publish(t, node.URL, "orders.order", "planted", "no event")
		}
		if c.UnderWay.Load() > 0 {
			hard++
		}
		node.Kill(t)
		sometime(t, 0, 500*time.Millisecond)
		node.Again(t)
		node.Await(t)
		began := time.Now()
		served(t, s, "/search?q=fig") // by the other half
		healed = append(healed, time.Since(began))
	}
	over.Store(true)
	<-done
	quiet := time.Now()
	out := c.Settled(t, s, admin)
	s.Quiet(t)
	delivered(t, at, admin, c)
	c.Repeated(t, s)
	letters := told(t, at)
	t.Logf("%d checkouts: %+v; %d kills of the broker, %d with an order under way; %d answers unknown; served again %v after it answers; quiet after %s; %d letters",
		c.Wishes(), out, len(healed), hard, c.Unknown.Load(), healed, time.Since(quiet).Round(time.Millisecond), letters)
	require.Greater(t, out.Confirmed, c.Wishes()/3, "too few orders were confirmed for the test to say anything")
	require.Positive(t, hard, "no kill hit an order under way")
	require.Equal(t, len(listeners(t, at, "orders.order")), letters, "one letter of each who listens to what was planted")
	calm(t, s, here)
	calm(t, s.Others[0], beside)
}

// told counts the letters as an operator sees them. A broker that dies between two of
// its queues has one in its queue twice; that is one letter.
func told(t *testing.T, at shoptest.Site) int {
	t.Helper()
	at.Here, at.Beside = "", ""
	var dead []shoptest.Object
	at.JSON(t, &dead, "events", "dead", "list", "--json")
	return len(dead)
}

// served waits until a path is answered.
func served(t *testing.T, s *shoptest.Server, path string) {
	t.Helper()
	shoptest.Until(t, path+" is served", func() bool {
		a, err := s.Anyone().Try(t.Context(), http.MethodGet, path, nil)
		return err == nil && a.Status == http.StatusOK
	})
}

// listeners gives the modules whose queues get a topic.
func listeners(t *testing.T, at shoptest.Site, topic string) (modules []string) {
	t.Helper()
	at.Here, at.Beside = "", ""
	var on struct {
		Queues []struct {
			Owner    string
			Bindings []string
		}
	}
	at.JSON(t, &on, "topology", "--json")
	for _, q := range on.Queues {
		for _, b := range q.Bindings {
			if b == topic {
				modules = append(modules, q.Owner)
			}
		}
	}
	require.NotEmpty(t, modules)
	return modules
}

// alone is a shop in one process, whose events go over the node.
func alone(t *testing.T, node *testenv.Node) (*shoptest.Server, shoptest.Client) {
	t.Helper()
	s := shoptest.Serve(t, shoptest.NewRabbitSite(t, chiefs...).With("BANYAN_AMQP_URL="+node.URL, "BANYAN_PORTS_RABBITMQ="))
	return s, s.LogIn(t, chief, shoptest.Password)
}

// starved makes the node take no messages, as one without memory does. Customers
// check out as if nothing were; what happened waits, and not in memory.
func starved(t *testing.T, node *testenv.Node) {
	s, admin := alone(t, node)
	long := time.Duration(shoptest.Storm(4, 30)) * time.Second
	first := s.NewCrowd(t, admin, 8, 2, 100_000, cards...)
	first.Burst(t.Context(), t, s.Here)
	before, memory := goroutines(t, s), s.Metric(t, "process_resident_memory_bytes")

	node.Control(t, "set_vm_memory_high_watermark", "0")
	begun := time.Now()
	var all []*shoptest.Crowd
	orders, waits := 0, 0.0
	for n := 0; n < 2 || time.Since(begun) < long; n++ {
		c := s.NewCrowd(t, admin, 8, shoptest.Storm(3, 10), 100_000, "tok_visa")
		limited, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
		c.Burst(limited, t, s.Here)
		cancel()
		orders += confirmed(t, admin, c)
		all = append(all, c)
		waits = unsent(t, s)
	}
	grown := s.Metric(t, "process_resident_memory_bytes") - memory
	require.Positive(t, s.Metric(t, "banyan_rabbitmq_blocked_total"), "the broker never said that it takes nothing: the hard case was not hit")
	require.Positive(t, waits)
	require.Less(t, grown, 128.0*(1<<20), "bytes that the process has grown by")

	node.Control(t, "set_vm_memory_high_watermark", "absolute", "2GB")
	healed := time.Now()
	s.Quiet(t)
	took := time.Since(healed)
	calm(t, s, before)
	for _, c := range all {
		delivered(t, s.Site, admin, c)
	}
	s.Audited(t)
	require.Zero(t, lying(t, s.Site, "dead."))
	t.Logf("%d checkouts in %s with a starved broker, all confirmed; %.0f events waited, the process grew by %.0f KiB; all had its effect %s after it took messages again",
		orders, healed.Sub(begun).Round(time.Millisecond), waits, grown/1024, took.Round(time.Millisecond))
}

// confirmed counts the orders of a crowd, which must all be confirmed by now.
func confirmed(t *testing.T, admin shoptest.Client, c *shoptest.Crowd) (orders int) {
	t.Helper()
	for _, b := range c.Buyers {
		for _, w := range b.Wishes {
			require.NotEmpty(t, w.Order, "an order was put off because of the broker")
			o := admin.Decided(t, w.Order)
			require.Equal(t, "confirmed", o.Text("status"), o.Raw)
			orders++
		}
	}
	return orders
}

// unsent counts the events that wait in the outboxes.
func unsent(t *testing.T, s *shoptest.Server) float64 { return s.Metric(t, "banyan_events_unsent") }

// stoppedForAWhile stops the node without a word, and lets it go on. A process that
// is told to leave meanwhile leaves in time.
func stoppedForAWhile(t *testing.T, node *testenv.Node) {
	s, admin := alone(t, node)
	leaver := shoptest.Serve(t, s.Twin(t))
	c := s.NewCrowd(t, admin, 6, shoptest.Storm(4, 40), 100_000, "tok_visa")
	long := time.Duration(shoptest.Storm(2, 60)) * time.Second // the heartbeat gives up after 30 s

	node.Pause(t)
	begun := time.Now()
	c.Burst(t.Context(), t, s.Here)
	confirmed(t, admin, c)
	leaving := time.Now()
	require.Zero(t, leaver.Stop(t), leaver.Log)
	left := time.Since(leaving)
	sometime(t, long, long+time.Second)
	waits := unsent(t, s)
	require.Positive(t, waits)
	node.Resume(t)
	healed := time.Now()
	s.Quiet(t)
	out := c.Settled(t, s, admin)
	delivered(t, s.Site, admin, c)
	require.Equal(t, c.Wishes(), out.Confirmed)
	require.Zero(t, lying(t, s.Site, "dead."))
	t.Logf("%d checkouts while the broker was stopped for %s, all confirmed; %.0f events waited; a process left within %s; all had its effect %s after the broker went on",
		c.Wishes(), healed.Sub(begun).Round(time.Millisecond), waits, left.Round(time.Millisecond), time.Since(healed).Round(time.Millisecond))
}
