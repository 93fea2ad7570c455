package overload

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// sicken tells the provider how to behave.
func sicken(t *testing.T, s *shoptest.Server, admin shoptest.Client, failPercent, hangSeconds int) {
	t.Helper()
	admin.At(s.Ops).Do(t, http.StatusOK, http.MethodPut, "//sandbox/psp/sickness", shoptest.Object{"fail_percent": failPercent, "hang_seconds": hangSeconds})
}

// attempts is how many requests of the shop the provider itself has counted.
func attempts(t *testing.T, s *shoptest.Server, admin shoptest.Client) int64 {
	t.Helper()
	return admin.At(s.Ops).Get(t, "//sandbox/psp/sickness").Number(t, "attempts_total")
}

// TestSickProvider lets the provider fail and hang while customers order. The
// provider is not asked much more often than there are orders, nothing else is
// touched by it, every order is decided, and when it is well again so is the shop.
func TestSickProvider(t *testing.T) {
	beside(t)
	for _, way := range []struct {
		name       string
		fail, hang int
	}{{"fails", 100, 0}, {"hangs", 0, 30}} {
		t.Run(way.name, func(t *testing.T) {
			beside(t)
			s := shoptest.Serve(t, shoptest.NewSite(t))
			admin := s.Admin(t)
			admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+shoptest.Staple, shoptest.Object{"on_hand": 100_000})
			p := newPatients(t, s, 6)
			orders := shoptest.Storm(60, 300)

			healthy := p.order(t, orders)
			p.confirmed(t, healthy.orders)

			sicken(t, s, admin, way.fail, way.hang)
			before, since := attempts(t, s, admin), time.Now()
			ill := p.order(t, orders)
			for _, o := range ill.orders {
				a := p.decided(t, o)
				require.Equal(t, "rejected", a.Text("status"), a.Raw)
				require.Equal(t, "payment.unavailable", a.Text("reason"), a.Raw)
			}
			p.stay(t)
			asked := attempts(t, s, admin) - before
			t.Logf("%d orders, the provider was asked %d times (%.2f)", orders, asked, float64(asked)/float64(orders))
			require.Positive(t, asked, "the provider was not asked at all: nothing was tried")
			probes := 0 // one a second, of a provider that is left alone
			if !full() {
				probes = int(time.Since(since).Seconds()) + 1
			}
			require.LessOrEqual(t, asked, int64(orders*12/10+probes))

			// It can be seen, and is no reason to send nobody here.
			a := s.Anyone().Get(t, "//health/ready")
			require.Contains(t, a.Text("checks.payments.provider.detail")+a.Raw, "left alone since")

			sicken(t, s, admin, 0, 0)
			healed := time.Now()
			shoptest.Until(t, "an order is confirmed again", func() bool {
				return p.buyers[0].Buy(t, shoptest.Staple, 1, "tok_visa").Text("status") == "confirmed"
			})
			recovery := time.Since(healed)
			again := p.order(t, orders/2)
			p.confirmed(t, again.orders)
			t.Logf("well again after %s; other routes, p99 when well and when sick: %s; %s", recovery.Round(time.Millisecond),
				compared("reads", healthy.reads, ill.reads), compared("writes", healthy.writes, ill.writes))
			require.NotEmpty(t, ill.reads)
			require.NotEmpty(t, ill.writes)
			if full() {
				require.LessOrEqual(t, slower(healthy.reads, ill.reads), 1.5)
				require.LessOrEqual(t, slower(healthy.writes, ill.writes), 1.5)
				require.LessOrEqual(t, recovery, 10*time.Second)
			}
			s.Audited(t)
		})
	}
}

// slower is by how much the 99th percentile grew.
func slower(well, sick []time.Duration) float64 {
	return float64(percentile(sick, 99)) / float64(percentile(well, 99))
}

func compared(what string, well, sick []time.Duration) string {
	return fmt.Sprintf("%d %s %s, %d %s (%.2f)", len(well), what, percentile(well, 99), len(sick), percentile(sick, 99), slower(well, sick))
}

// patients are customers who order while others look around.
type patients struct {
	server  *shoptest.Server
	buyers  []shoptest.Client
	readers []shoptest.Client
	writer  shoptest.Client // fills its cart
}

func newPatients(t *testing.T, s *shoptest.Server, buyers int) *patients {
	t.Helper()
	clients := s.Customers(t, buyers+3)
	return &patients{server: s, buyers: clients[:buyers], readers: clients[buyers : buyers+2], writer: clients[buyers+2]}
}

// stay waits, at full size, while the provider stays sick and nobody orders: what looks
// for charges, gives them up or tries the provider again does so in this time.
func (p *patients) stay(t *testing.T) {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Duration(shoptest.Storm(0, 30))*time.Second; shoptest.Pause(t, time.Second) {
		p.readers[0].Get(t, "/orders")
	}
}

// phase is what came of ordering for a while.
type phase struct {
	orders []placed
	reads  []time.Duration // of requests to other routes, all answered well
	writes []time.Duration
}

type placed struct {
	id string
	by shoptest.Client
}

func (p *patients) decided(t *testing.T, o placed) shoptest.Answer {
	t.Helper()
	return o.by.Decided(t, o.id)
}

// confirmed waits until all of these orders are. At the small size one may be given up
// although the provider is well, by a machine that stood still, or find the cart that the
// last one empties: then it is made again.
func (p *patients) confirmed(t *testing.T, orders []placed) {
	t.Helper()
	for _, o := range orders {
		a := p.decided(t, o)
		shoptest.Until(t, "an order is decided by the provider", func() bool {
			again := notCharged(a) || !full() && a.Text("reason") == "cart.empty"
			if again {
				a = o.by.Buy(t, shoptest.Staple, 1, "tok_visa")
			}
			return !again
		})
		require.Equal(t, "confirmed", a.Text("status"), a.Raw)
	}
	for _, buyer := range p.buyers {
		buyer.Emptied(t) // or that of the first order of the next phase may be
	}
}

// order places so many orders, at an even pace, and meanwhile reads and writes other
// things. Every request must be answered well: to order works without the provider.
func (p *patients) order(t *testing.T, n int) phase {
	t.Helper()
	var out phase
	var mu sync.Mutex
	done := make(chan struct{})
	var ordering, reading sync.WaitGroup
	for i, buyer := range p.buyers {
		ordering.Go(func() {
			pace := time.NewTicker(200 * time.Millisecond)
			defer pace.Stop()
			for k := i; k < n && !t.Failed(); k += len(p.buyers) {
				id := p.place(t, buyer)
				mu.Lock()
				out.orders = append(out.orders, placed{id, buyer})
				mu.Unlock()
				<-pace.C
			}
		})
	}
	around := func(pause time.Duration, times *[]time.Duration, look func(i int) (time.Duration, bool)) {
		pace := time.NewTicker(pause)
		defer pace.Stop()
		for i := 0; !closed(done); i++ {
			took, ok := look(i)
			if !ok {
				return
			}
			mu.Lock()
			*times = append(*times, took)
			mu.Unlock()
			<-pace.C
		}
	}
	for _, reader := range p.readers {
		reading.Go(func() {
			around(10*time.Millisecond, &out.reads, func(i int) (time.Duration, bool) { return p.look(t, reader, i) })
		})
	}
	reading.Go(func() {
		around(20*time.Millisecond, &out.writes, func(i int) (time.Duration, bool) { return p.fill(t, i) })
	})
	ordering.Wait()
	close(done)
	reading.Wait()
	require.False(t, t.Failed())
	require.Len(t, out.orders, n)
	return out
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// place orders one piece. It ends its goroutine's work, not the test, by t.Errorf.
func (p *patients) place(t *testing.T, buyer shoptest.Client) string {
	a, err := ask(context.WithoutCancel(t.Context()), buyer, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1})
	if err != nil || a.Status != http.StatusOK {
		t.Errorf("put into the cart: %v %s", err, a.Raw)
		return ""
	}
	a, err = ask(t.Context(), buyer.Keyed(), http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
	if err != nil || a.Status != http.StatusAccepted {
		t.Errorf("order: %v %s", err, a.Raw)
	}
	return a.Text("id")
}

// look asks one of the routes that have nothing to do with the provider.
func (p *patients) look(t *testing.T, reader shoptest.Client, i int) (time.Duration, bool) {
	path := []string{"/products", "/stock/" + shoptest.Staple, "/cart", "/prices/" + shoptest.Staple, "/orders"}[i%5]
	return timed(t, reader, http.MethodGet, path, nil)
}

// fill writes: how many are in the cart changes each time.
func (p *patients) fill(t *testing.T, i int) (time.Duration, bool) {
	return timed(t, p.writer, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1 + i%5})
}

func timed(t *testing.T, c shoptest.Client, method, path string, body any) (time.Duration, bool) {
	began := time.Now()
	a, err := ask(t.Context(), c, method, path, body)
	if err != nil || a.Status != http.StatusOK {
		t.Errorf("%s %s: %v %s", method, path, err, a.Raw)
		return 0, false
	}
	return time.Since(began), true
}
