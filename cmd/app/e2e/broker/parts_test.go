package broker

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// The shop is in three processes. Whoever sells and whoever takes the money die
// under customers, and come back in any order, who calls before who answers too.
func TestPartsComeBackInAnyOrder(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewExtractedSite(t, chiefs...))
	admin := s.LogIn(t, chief, shoptest.Password)
	seller, payments := s.Others[0], s.Others[1]
	c := s.NewCrowd(t, admin, 8, shoptest.Storm(6, 40), 100_000, cards...)
	var over atomic.Bool
	c.More = func() bool { return !over.Load() }
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Burst(t.Context(), t, s.Here)
	}()
	rounds, hard := shoptest.Storm(2, 12), 0
	for n := range rounds {
		for began := time.Now(); !t.Failed() && (time.Since(began) < 300*time.Millisecond || c.UnderWay.Load() == 0); {
			sometime(t, 5*time.Millisecond, 300*time.Millisecond)
		}
		if c.UnderWay.Load() > 0 {
			hard++
		}
		both := []**shoptest.Server{&seller, &payments}
		if n%2 == 0 {
			both[0], both[1] = both[1], both[0]
		}
		for _, one := range both { // dies first, comes back last
			(*one).Kill(t)
			sometime(t, 0, 300*time.Millisecond)
		}
		for _, i := range []int{1, 0} {
			*both[i] = (*both[i]).Again(t)
			if rand.IntN(2) == 0 { // or both start at the same time
				require.True(t, (*both[i]).Opens(t), "it waits for the other one\n%s", (*both[i]).Log)
			}
		}
	}
	over.Store(true)
	<-done
	quiet := time.Now()
	out := c.Settled(t, s, admin)
	s.Quiet(t)
	delivered(t, s.Site, admin, c)
	c.Repeated(t, s)
	require.Zero(t, lying(t, s.Site, "dead."))
	t.Logf("%d checkouts: %+v; %d times both died, %d of them with an order under way; %d answers unknown; quiet after %s",
		c.Wishes(), out, rounds, hard, c.Unknown.Load(), time.Since(quiet).Round(time.Millisecond))
	require.Positive(t, hard)
	require.Greater(t, out.Confirmed, c.Wishes()/3)
}

// door is the way to the payment provider. What is set is done once, when a charge
// has been made and its reply is on the way.
type door struct {
	url     string
	charged atomic.Pointer[func()]
}

func newDoor(t *testing.T, s *shoptest.Server) *door {
	t.Helper()
	provider, err := url.Parse(s.Ops + "/sandbox/psp")
	require.NoError(t, err)
	d := &door{}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(provider) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodPost && r.StatusCode < 300 {
				if do := d.charged.Swap(nil); do != nil {
					(*do)()
				}
			}
			return nil
		},
	})
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// next gives what is closed when do was done to the next charge.
func (d *door) next(do func()) (done chan struct{}) {
	done = make(chan struct{})
	once := func() { do(); close(done) }
	d.charged.Store(&once)
	return done
}

// behind starts payments with the door between it and the provider.
func behind(t *testing.T, d *door, s *shoptest.Server) *shoptest.Server {
	t.Helper()
	return s.Moves(t, "payments", "BANYAN_PAYMENTS_PROVIDER_URL="+d.url)
}

// Payments dies when the card has been charged and before it has heard so.
func TestPaymentsDieBetweenChargeAndReply(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewExtractedSite(t, chiefs...))
	admin, buyer := s.LogIn(t, chief, shoptest.Password), s.Customer(t)
	s.Others[1].Kill(t)
	d := newDoor(t, s)
	payments := behind(t, d, s)
	rounds := shoptest.Storm(2, 20)
	var decided []time.Duration
	for range rounds {
		victim := payments
		struck := d.next(func() { _ = victim.Cmd.Process.Kill() }) // it runs
		buyer.Emptied(t)
		buyer.PutInCart(t, shoptest.Staple, 1)
		order := buyer.Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa")).Text("id")
		<-struck
		<-victim.Exited
		require.Equal(t, []string{"authorised"}, shoptest.Statuses(s.Ledger(t, admin, order)), "nothing was charged: the hard case was not hit")
		require.Equal(t, "pending", buyer.Get(t, "/orders/"+order).Text("status"))
		payments = victim.Again(t)
		require.True(t, payments.Opens(t), payments.Log)
		began := time.Now()
		o := buyer.Decided(t, order)
		decided = append(decided, time.Since(began))
		require.Equal(t, "confirmed", o.Text("status"), o.Raw)
		require.Equal(t, []string{"authorised"}, shoptest.Statuses(s.Ledger(t, admin, order)), "charges of order %s", order)
	}
	s.Quiet(t)
	s.Audited(t)
	t.Logf("%d deaths between charge and reply, each charged once; decided %v after payments was back", rounds, decided)
}

// Payments falls asleep when the card has been charged, until another process has
// taken its work over; then it wakes up and hears that it has charged.
func TestZombiePayments(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewExtractedSite(t, chiefs...))
	admin, buyer := s.LogIn(t, chief, shoptest.Password), s.Customer(t)
	s.Others[1].Kill(t)
	d := newDoor(t, s)
	zombie := behind(t, d, s)
	for range shoptest.Storm(1, 5) {
		struck := d.next(func() { _ = zombie.Cmd.Process.Signal(syscall.SIGSTOP) }) // it runs
		buyer.Emptied(t)
		buyer.PutInCart(t, shoptest.Staple, 1)
		order := buyer.Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa")).Text("id")
		<-struck
		other := behind(t, d, s)
		o := buyer.Decided(t, order)
		require.Equal(t, "confirmed", o.Text("status"), o.Raw)
		buyer.Cancelled(t, order)
		buyer.Reaches(t, "/payments/"+o.Text("payment_id"), "voided")
		zombie.Signal(t, syscall.SIGCONT)
		awake(t, zombie)
		require.Zero(t, other.Stop(t)) // the zombie is alone again, and works
		next := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
		require.Equal(t, "confirmed", next.Text("status"), next.Raw)
		require.Equal(t, "voided", buyer.Get(t, "/payments/"+o.Text("payment_id")).Text("status"), "the zombie brought its payment back")
		require.Equal(t, []string{"voided"}, shoptest.Statuses(s.Ledger(t, admin, order)))
		require.Len(t, s.Ledger(t, admin, next.Text("id")), 1)
	}
	s.Quiet(t)
	s.Audited(t)
}

// awake waits until a service answers its operators.
func awake(t *testing.T, s *shoptest.Server) {
	t.Helper()
	shoptest.Until(t, "the service answers", func() bool {
		a, err := shoptest.NewClient(s.Ops).Try(t.Context(), http.MethodGet, "//health/live", nil)
		return err == nil && a.Status == http.StatusOK
	})
}
