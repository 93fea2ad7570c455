package overload

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestThreeTimesTheCapacity finds out how many orders a second the shop can
// confirm, then offers three times as many for a while. It goes on confirming
// nearly as many, tells the others to come back later, decides all that it
// accepted, and is as before when the rush is over.
func TestThreeTimesTheCapacity(t *testing.T) {
	beside(t)
	threeTimes(t, shoptest.NewSite(t))
}

// TestThreeTimesTheCapacityPostgres has the database's own processes on the same machine.
func TestThreeTimesTheCapacityPostgres(t *testing.T) {
	beside(t)
	threeTimes(t, shoptest.NewPostgresSite(t))
}

func threeTimes(t *testing.T, at shoptest.Site) {
	t.Helper()
	s := shoptest.Serve(t, at)
	admin := s.Admin(t)
	admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+shoptest.Staple, shoptest.Object{"on_hand": 1_000_000})
	var buyers []*buyer
	for _, c := range s.Customers(t, shoptest.Storm(32, 1800)) {
		buyers = append(buyers, &buyer{Client: c.Staying()}) // else most of the rush would be new connections
	}
	r := &rush{server: s, free: make(chan *buyer, len(buyers))}

	// As long as the rush: the first seconds leave work for later, and look like more
	// than can go on.
	capacity := r.closedLoop(t, buyers[:16], time.Duration(shoptest.Storm(3, 60))*time.Second)
	for _, b := range buyers {
		r.free <- b
	}
	window := time.Duration(shoptest.Storm(6, 60)) * time.Second
	r.openLoop(t, 3*capacity, window)
	offered := r.accepted.Load() + r.refused.Load()
	require.Positive(t, r.accepted.Load())

	// Over at once: who comes now is served.
	shoptest.Until(t, "an order is taken again", func() bool {
		a, err := r.purchase(t, buyers[0], false)
		return err == nil && a.Status == http.StatusAccepted
	})
	confirmed := r.settled(t)
	goodput := float64(confirmed) / window.Seconds()
	t.Logf("capacity %.1f orders/s; offered %d in %s (%.1f/s), %d had no free buyer: %d accepted, %d of them decided later, %d shed (%.0f %%); goodput %.1f/s (%.2f); reads: %d answered, %d shed; health answered %d times, well %d times",
		capacity, offered, window, float64(offered)/window.Seconds(), r.missed.Load(), r.accepted.Load(), r.late, r.refused.Load(),
		100*float64(r.refused.Load())/float64(offered), goodput, goodput/capacity, r.reads.Load(), r.readsShed.Load(), r.healthy.Load(), r.ready.Load())
	require.Positive(t, r.healthy.Load())
	require.Positive(t, r.ready.Load())
	require.Positive(t, r.reads.Load())
	if full() {
		require.GreaterOrEqual(t, float64(offered), 2.5*capacity*window.Seconds(), "less was offered than was meant")
		require.Positive(t, r.refused.Load())
		require.GreaterOrEqual(t, goodput, 0.8*capacity)
		require.LessOrEqual(t, r.readsShed.Load(), r.reads.Load()/20)
	}
	s.Audited(t)
}

// rush is what came of asking for more and more.
type rush struct {
	server *shoptest.Server
	free   chan *buyer // with nothing to do

	accepted, refused, missed, reads, readsShed, healthy, ready atomic.Int64

	mu       sync.Mutex
	orders   []placed
	late     int // that were decided when the rush was over
	from, to time.Time
}

// buyer is one of those who want to buy.
type buyer struct {
	shoptest.Client
	filled bool // the cart, from when the order was refused
}

// purchase puts something into the cart, where it is not there yet, and orders it.
// Nothing but a good answer, 429 or 503 with Retry-After may come; see tooLate.
func (r *rush) purchase(t *testing.T, b *buyer, wait bool) (a shoptest.Answer, err error) {
	if !b.filled {
		a, err = b.Try(t.Context(), http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1})
		b.filled = err == nil && a.Status == http.StatusOK
	}
	if b.filled {
		keyed := b.Keyed()
		if wait {
			keyed = keyed.With("Prefer", "wait=10")
		}
		a, err = keyed.Try(t.Context(), http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
		b.filled = err == nil && shed(a)
	}
	if err != nil {
		t.Errorf("no answer: %v", err)
	} else if a.Status >= http.StatusBadRequest && !shed(a) && !tooLate(a) {
		t.Errorf("an answer that must not be: %d %s", a.Status, a.Raw)
	}
	return a, err
}

// shed tells whether an answer says: later.
func shed(a shoptest.Answer) bool {
	return (a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests) && a.Header.Get("Retry-After") != ""
}

// closedLoop lets buyers order one after the other, and gives the orders
// confirmed per second. Where none was by the end, it goes on until one is.
func (r *rush) closedLoop(t *testing.T, buyers []*buyer, window time.Duration) float64 {
	t.Helper()
	var confirmed, took atomic.Int64 // took is in nanoseconds
	took.Store(int64(window))
	var all sync.WaitGroup
	began := time.Now()
	for _, b := range buyers {
		all.Go(func() {
			for open(began, window, &confirmed) && !t.Failed() {
				a, err := r.purchase(t, b, true)
				switch at := time.Since(began); {
				case err != nil || a.Text("status") != "confirmed":
				case at < window:
					confirmed.Add(1)
				case confirmed.CompareAndSwap(0, 1):
					took.Store(int64(at))
				}
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed())
	require.Positive(t, confirmed.Load())
	return float64(confirmed.Load()) / time.Duration(took.Load()).Seconds()
}

// open tells that a window is: it does not end before there is one to count.
func open(began time.Time, window time.Duration, n *atomic.Int64) bool {
	at := time.Since(began)
	return at < window || n.Load() == 0 && at < shoptest.Patience
}

// openLoop sends purchases at an even rate, whatever becomes of them, and looks
// around meanwhile.
func (r *rush) openLoop(t *testing.T, rate float64, window time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	done := make(chan struct{})
	looking := r.lookAround(t, done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	r.from = time.Now()
	r.to = r.from.Add(window)
	for sent := 0; open(r.from, window, &r.accepted) && !t.Failed(); <-tick.C {
		for due := int(rate * time.Since(r.from).Seconds()); sent < due; sent++ {
			select {
			case b := <-r.free:
				all.Go(func() {
					rest := time.Duration(0)
					if r.arrive(t, b) {
						rest = betweenOrders
					}
					time.AfterFunc(rest, func() { r.free <- b })
				})
			default: // all buyers wait for answers
				r.missed.Add(1)
			}
		}
	}
	all.Wait()
	close(done)
	looking.Wait()
	require.False(t, t.Failed())
}

// betweenOrders is how long a buyer whose order was decided stays away: the next one
// would find the cart that the last one empties, and be rejected for it.
var betweenOrders = time.Duration(shoptest.Storm(0, 1)) * time.Second

// arrive tells whether the order was taken.
func (r *rush) arrive(t *testing.T, b *buyer) bool {
	a, err := r.purchase(t, b, full())
	switch {
	case err != nil:
	case shed(a):
		r.refused.Add(1)
	case a.Text("id") != "":
		r.accepted.Add(1)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.orders = append(r.orders, placed{a.Text("id"), b.Client})
		return true
	}
	return false
}

const ready = "//health/ready"

// lookAround asks other routes, and whether the shop is alive, until done.
func (r *rush) lookAround(t *testing.T, done <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	var all sync.WaitGroup
	for _, path := range []string{"/products", "/stock/" + shoptest.Staple, "//health/live", ready} {
		all.Go(func() {
			c := r.server.Anyone()
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for !closed(done) {
				a, err := c.Try(t.Context(), http.MethodGet, path, nil)
				switch {
				case err == nil && a.Status == http.StatusOK && path == ready:
					r.ready.Add(1)
				case err == nil && a.Status == http.StatusOK && path[1] == '/':
					r.healthy.Add(1)
				case err == nil && a.Status == http.StatusOK:
					r.reads.Add(1)
				case err == nil && (shed(a) || tooLate(a)) && path[1] != '/':
					r.readsShed.Add(1)
				case err == nil && !full() && path == ready && a.Status == http.StatusServiceUnavailable:
					// A database that does not answer for two seconds is a machine that stands still.
				default:
					t.Errorf("GET %s: %v %s", path, err, a.Raw)
					return
				}
				<-pace.C
			}
		})
	}
	return &all
}

// settled waits until all accepted orders are decided, and gives how many were
// confirmed while the rush was on.
func (r *rush) settled(t *testing.T) (during int) {
	t.Helper()
	for _, o := range r.orders {
		a := o.by.Decided(t, o.id)
		history, _ := a.At("history").([]any)
		require.NotEmpty(t, history, a.Raw)
		last, _ := history[len(history)-1].(shoptest.Object)
		text, _ := last["at"].(string)
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		if a.Text("status") == "confirmed" && at.After(r.from) && at.Before(r.to) {
			during++
		} else if a.Text("status") == "confirmed" {
			r.late++
		} else if !notCharged(a) {
			// Of two orders of one buyer that overlap, the second may find the cart just emptied.
			require.Equal(t, "cart.empty", a.Text("reason"), a.Raw)
		}
	}
	require.Positive(t, during+r.late, "no order of the rush was confirmed")
	return during
}
