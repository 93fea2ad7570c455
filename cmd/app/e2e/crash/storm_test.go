package crash

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const buyers = 20

// cards are all that the provider knows, the sick ones less often, and wallets
// that are filled on the way.
var cards = []string{
	"tok_visa", "tok_lost_reply", "tok_visa", "tok_declined", "tok_flaky", "tok_visa", "tok_insufficient_funds",
	"tok_lost_reply", "tok_visa", "tok_slow", shoptest.Wallet, "tok_visa", "tok_error", shoptest.Wallet, "tok_visa",
}

// startLimit is what a start after a kill may take: it must be a matter of seconds. It is
// judged at full size; beside other tests a start takes what the machine leaves it.
const startLimit = 20 * time.Second

// TestStormSQLite kills the one process of a shop on files at random moments of
// a burst of orders.
func TestStormSQLite(t *testing.T) {
	t.Parallel()
	storm(t, shoptest.NewSite(t, chief...))
}

// TestStormPostgres kills either of two instances on one database, or both.
func TestStormPostgres(t *testing.T) {
	t.Parallel()
	first := shoptest.NewPostgresSite(t, chief...)
	storm(t, first, first.Twin(t))
}

// chief is the admin, by settings: the same for all instances.
var chief = []string{"BANYAN_ADMIN_EMAIL=chief@example.com", "BANYAN_ADMIN_PASSWORD=" + shoptest.Password}

func storm(t *testing.T, sites ...shoptest.Site) {
	t.Helper()
	dice := chance(t)
	var victims []*victim
	var doors []func() string
	for _, at := range sites {
		v := serve(t, at)
		victims, doors = append(victims, v), append(doors, v.Here)
	}
	s := victims[0].now.Load()
	admin := s.LogIn(t, "chief@example.com", shoptest.Password)
	c := s.NewCrowd(t, admin, shoptest.Storm(buyers, 5*buyers), shoptest.Storm(3, 11), 100_000, cards...)
	for _, b := range c.Buyers {
		for _, w := range b.Wishes {
			w.Cancel = dice.IntN(8) == 0
		}
	}
	c.Buyers[0].Wishes[0].Cancel = true // chance alone may choose none
	var hard atomic.Int64               // kills with an order under way
	hits := int64(shoptest.Storm(2, 30))
	c.More = func() bool { return hard.Load() < hits }
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Burst(t.Context(), t, doors...)
	}()
	began := time.Now()
	kills := killUntil(t, done, dice, victims, c, &hard)
	took := time.Since(began)

	s = victims[0].now.Load()
	quiet := time.Now()
	out := c.Settled(t, s, admin.At(s.Shop))
	c.Repeated(t, s)
	var starts []time.Duration
	for _, v := range victims {
		starts = append(starts, v.starts...)
	}
	t.Logf("%d checkouts in %s: %+v; %d kills, %d of them with an order under way; %d answers unknown; start after a kill %s, at most %s; quiet after %s",
		c.Wishes(), took.Round(time.Second), out, kills, hard.Load(), c.Unknown.Load(), median(starts), longest(starts), time.Since(quiet).Round(time.Second))
	require.Greater(t, out.Confirmed, c.Wishes()/3, "too few orders were confirmed for the test to say anything")
	require.Positive(t, out.Cancelled)
	require.Positive(t, out.ByWallet)
	require.GreaterOrEqual(t, hard.Load(), hits, "too few kills hit an order under way")
	if shoptest.Storm(0, 1) == 1 {
		require.Less(t, longest(starts), startLimit)
	}
}

// killUntil kills and starts servers until the burst is done. It counts the
// kills, and in hard those while an order was under way.
func killUntil(t *testing.T, done <-chan struct{}, dice *rand.Rand, victims []*victim, c *shoptest.Crowd, hard *atomic.Int64) (kills int) {
	t.Helper()
	for kills < shoptest.Storm(30, 150) { // what is left then must end in peace
		select {
		case <-done:
			return kills
		case <-time.After(gap(dice, kills)):
		}
		shoptest.Often(t, "there is something to lose", func() bool { return c.UnderWay.Load() > 0 || shoptest.Over(done) })
		doomed := victims
		if len(victims) > 1 && dice.IntN(6) > 0 { // mostly one of them
			i := dice.IntN(len(victims))
			doomed = victims[i : i+1]
		}
		if c.UnderWay.Load() > 0 {
			hard.Add(int64(len(doomed)))
		}
		for _, v := range doomed {
			v.now.Load().Kill(t)
			kills++
		}
		for _, v := range doomed {
			v.Again(t)
		}
	}
	<-done
	return kills
}

// gap is the time until the next kill: mostly short, and each sixth time so long
// that a slow card's three seconds fit in. Nothing slow would ever end otherwise,
// and be parked as if it were what ends the process.
func gap(dice *rand.Rand, kills int) time.Duration {
	if kills%6 == 5 {
		return 4500 * time.Millisecond
	}
	return 200*time.Millisecond + time.Duration(dice.Int64N(int64(1300*time.Millisecond)))
}
