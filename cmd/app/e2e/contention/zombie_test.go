package contention

import (
	"context"
	"database/sql"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestZombie stops an instance in the middle of its work, as a long pause of its
// machine would, until the other one has taken all of that over and finished it.
// Then the first one wakes up with its old plans, which must come to nothing.
func TestZombie(t *testing.T) {
	t.Parallel()
	at := shoptest.NewPostgresSite(t)
	f := serve(t, at, 2)
	zombie, other := f.all[0], f.all[1]
	db, err := sql.Open("pgx", at.Setting("BANYAN_DATABASE_URL"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })

	wakes, lost, taken := shoptest.Storm(1, 8), 0.0, 0
	for wake := range wakes {
		f.all[0], f.all[1] = other, zombie
		f.logIn(t)
		// Slow cards keep sagas open at the zombie.
		c := other.NewCrowd(t, f.admin, 8, 4, 100_000, "tok_slow", "tok_lost_reply", "tok_slow", "tok_visa", "tok_declined")
		var over atomic.Bool
		c.More = func() bool { return !over.Load() } // else all may be bought before it sleeps
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Burst(t.Context(), t, zombie.Here, other.Here)
		}()
		shoptest.Until(t, "the instance has sagas at work", func() bool {
			return zombie.Metric(t, "banyan_sagas_running", `saga="orders.checkout"`) >= 3
		})
		before := crashes(t, db)
		zombie.Signal(t, syscall.SIGSTOP)
		// Those it held are taken over when its leases are over.
		shoptest.Until(t, "the other instance has taken sagas over", func() bool { return crashes(t, db) > before })
		shoptest.Until(t, "nothing waits for the sleeping instance", func() bool { return stale(t, db) == 0 })
		taken += crashes(t, db) - before
		over.Store(true)
		zombie.Signal(t, syscall.SIGCONT)
		<-done
		o := c.Settled(t, other, f.admin)
		t.Logf("wake %d: %+v", wake+1, o)
		require.Positive(t, o.Confirmed)
		require.Zero(t, o.Unavailable, "a good card was refused")
	}
	shoptest.Until(t, "the zombie has tried to write", func() bool {
		lost = zombie.Metric(t, "banyan_sagas_lost_total")
		return lost > 0
	})
	lanes := zombie.Metric(t, "banyan_events_lanes_lost_total")
	v := other.Verdict(t, f.admin)
	t.Logf("%d wakes: %d sagas were taken over; the zombie was refused %.0f sagas and %.0f lanes; %d orders, %d confirmed, %d charges",
		wakes, taken, lost, lanes, v.Orders, v.Confirmed, v.Charges)
	f.clean(t)
}

// crashes counts the sagas that were taken over from an instance that did not let go.
func crashes(t *testing.T, db *sql.DB) int {
	return number(t, db, `SELECT coalesce(sum(crashes), 0) FROM orders.sagas`)
}

// stale counts the sagas of which the claim has lapsed and that nobody has taken yet.
func stale(t *testing.T, db *sql.DB) int {
	return number(t, db, `SELECT count(*) FROM orders.sagas WHERE status IN ('running', 'compensating') AND claimed_by <> '' AND next_at < now()`)
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), query).Scan(&n))
	return n
}
