package broker

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestBrokerKilled ends the broker again and again while customers check out of a shop whose
// halves talk over it. Each order is decided once, each event has its effect once,
// and of two planted messages that are no events there is one letter a listener.
func TestBrokerKilled(t *testing.T) {
	t.Parallel()
	node := testenv.OwnRabbitMQ(t)
	at := shoptest.NewSplitSite(t, chiefs...).With("BANYAN_AMQP_URL=" + node.URL)
	s := shoptest.Serve(t, at)
	admin := s.LogIn(t, chief, shoptest.Password)
	c := s.NewCrowd(t, admin, shoptest.Storm(12, 40), shoptest.Storm(8, 50), 100_000, cards...)
	c.Hasty = true               // the broker may be away for longer than a checkout has
	for _, b := range c.Buyers { // each has its connection
		b.Get(t, "/cart")
	}
	here, beside := goroutines(t, s), goroutines(t, s.Others[0])

	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Burst(t.Context(), t, s.Here)
	}()
	kills, hard := shoptest.Storm(2, 20), 0
	gap := time.Duration(shoptest.Storm(300, 2000)) * time.Millisecond
	var healed []time.Duration
	for n := range kills {
		for began := time.Now(); time.Since(began) < gap || c.UnderWay.Load() == 0; {
			sometime(t, 10*time.Millisecond, 400*time.Millisecond)
			if over(done) {
				break
			}
		}
		if over(done) {
			require.Positive(t, hard, "the burst was over before the broker was killed")
			t.Logf("the burst was over after %d of %d kills", n, kills)
			break
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
	<-done
	quiet := time.Now()
	out := c.Settled(t, s, admin)
	s.Quiet(t)
	delivered(t, at, admin, c)
	c.Repeated(t, s)
	letters := lying(t, at, "dead.")
	t.Logf("%d checkouts: %+v; %d kills of the broker, %d with an order under way; %d answers unknown; served again %v after it answers; quiet after %s; %d letters",
		c.Wishes(), out, len(healed), hard, c.Unknown.Load(), healed, time.Since(quiet).Round(time.Millisecond), letters)
	require.Greater(t, out.Confirmed, c.Wishes()/3, "too few orders were confirmed for the test to say anything")
	require.Positive(t, hard, "no kill hit an order under way")
	require.Equal(t, len(listeners(t, at, "orders.order")), letters, "one letter of each who listens to what was planted")
	calm(t, s, here)
	calm(t, s.Others[0], beside)
}

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
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
