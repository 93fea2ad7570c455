package contention

import (
	"context"
	"database/sql"
	"maps"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestZombie stops an instance in the middle of its work, as a long pause of its
// machine would, until the other one has taken all of that over and finished it.
// Then the first one wakes up with its old plans, which must come to nothing: those of
// its sagas, and at full size also of a relay that held lanes. That is judged by the rows
// that the other one has written meanwhile, by stock and by charges; what the zombie says
// of itself only tells that it tried.
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
		before := crashes(t, db)
		held := sleep(t, db, zombie)
		// Those it held are taken over when its leases are over.
		shoptest.Until(t, "the other instance has taken sagas over", func() bool { return crashes(t, db) > before })
		shoptest.Until(t, "nothing waits for the sleeping instance", func() bool { return stale(t, db) == 0 })
		shoptest.Until(t, "what was taken over has ended", func() bool { return underWay(t, db) == 0 })
		taken += crashes(t, db) - before
		shoptest.Until(t, "another relay holds a lane of the sleeping one", func() bool { return len(held) == 0 || others(t, db, held) > 0 })
		over.Store(true)
		w := writings(t, db)
		require.NotEmpty(t, w.sagas)
		require.NotEmpty(t, w.events)
		zombie.Signal(t, syscall.SIGCONT)
		<-done
		// Each that was taken over is still in the zombie's hands when it wakes.
		sofar, idle := lost, 0 // looks in a row that found it with nothing at work
		shoptest.Until(t, "the zombie has tried to write", func() bool {
			if idle++; zombie.Metric(t, "banyan_sagas_running") > 0 {
				idle = 0
			}
			lost = zombie.Metric(t, "banyan_sagas_lost_total")
			return lost > sofar || idle > 50
		})
		w.stand(t, db)
		o := c.Settled(t, other, f.admin)
		require.Positive(t, o.Confirmed)
		require.Zero(t, o.Unavailable, "a good card was refused")
		w.stand(t, db)
		require.Greater(t, lost, sofar, "the zombie has tried nothing: the test says nothing")
		t.Logf("wake %d: %+v; %.0f sagas were refused to the zombie, %d lanes were in its hands", wake+1, o, lost-sofar, len(held))
	}
	lanes := zombie.Metric(t, "banyan_events_lanes_lost_total")
	v := other.Verdict(t, f.admin)
	t.Logf("%d wakes: %d sagas were taken over; the zombie was refused %.0f sagas and %.0f lanes; %d orders, %d confirmed, %d charges",
		wakes, taken, lost, lanes, v.Orders, v.Confirmed, v.Charges)
	f.clean(t)
}

// sleep stops an instance that has sagas at work. At full size it is stopped again and
// again, for a moment, until a relay of it holds lanes: those are given.
func sleep(t *testing.T, db *sql.DB, s *shoptest.Server) (held map[lane]grip) {
	t.Helper()
	shoptest.Until(t, "the instance sleeps in the middle of its work", func() bool {
		if s.Metric(t, "banyan_sagas_running", `saga="orders.checkout"`) < 3 {
			return false
		}
		s.Signal(t, syscall.SIGSTOP)
		if !full() {
			return true
		}
		if held = grips(t, db, true); len(held) > 0 {
			// Whoever is awake lets go of a lane or renews its hold, within a second.
			shoptest.Pause(t, 1500*time.Millisecond)
			now := grips(t, db, false)
			maps.DeleteFunc(held, func(l lane, g grip) bool { return now[l] != g })
		}
		if len(held) == 0 {
			s.Signal(t, syscall.SIGCONT)
		}
		return len(held) > 0
	})
	return held
}

// lane is one of a module's outbox.
type lane struct {
	module string
	number int
}

// grip is who has a lane, and until when.
type grip struct{ holder, until string }

// grips reads who has the lanes of the modules that have most to tell, or only those
// that are held now.
func grips(t *testing.T, db *sql.DB, held bool) map[lane]grip {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), `SELECT module, lane, holder, held_until::text FROM (
			SELECT 'orders' AS module, * FROM orders.outbox_lanes UNION ALL SELECT 'payments', * FROM payments.outbox_lanes
			UNION ALL SELECT 'inventory', * FROM inventory.outbox_lanes UNION ALL SELECT 'shipping', * FROM shipping.outbox_lanes) AS lanes
		WHERE held_until > now() OR NOT $1`, held)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	all := map[lane]grip{}
	for rows.Next() {
		var l lane
		var g grip
		require.NoError(t, rows.Scan(&l.module, &l.number, &g.holder, &g.until))
		all[l] = g
	}
	require.NoError(t, rows.Err())
	return all
}

// others counts the lanes that have gone to another holder.
func others(t *testing.T, db *sql.DB, held map[lane]grip) (n int) {
	t.Helper()
	now := grips(t, db, false)
	for l, g := range held {
		if now[l].holder != g.holder {
			n++
		}
	}
	return n
}

// crashes counts the sagas that were taken over from an instance that did not let go.
func crashes(t *testing.T, db *sql.DB) int {
	return number(t, db, `SELECT coalesce(sum(crashes), 0) FROM orders.sagas`)
}

// stale counts the sagas of which the claim has lapsed and that nobody has taken yet.
func stale(t *testing.T, db *sql.DB) int {
	return number(t, db, `SELECT count(*) FROM orders.sagas WHERE status IN ('running', 'compensating') AND claimed_by <> '' AND next_at < now()`)
}

// underWay counts the sagas that were taken over and have not ended.
func underWay(t *testing.T, db *sql.DB) int {
	return number(t, db, `SELECT count(*) FROM orders.sagas WHERE status IN ('running', 'compensating') AND crashes > 0`)
}

// written is what nobody may write any more: rows of sagas that were taken over and have
// ended, and when events were marked as sent.
type written struct{ sagas, events map[string]string }

func writings(t *testing.T, db *sql.DB) written {
	t.Helper()
	return written{
		texts(t, db, `SELECT id, saga::text FROM orders.sagas AS saga WHERE status IN ('completed', 'compensated') AND crashes > 0`),
		texts(t, db, `SELECT module || ' ' || id, sent_at::text FROM (
				SELECT 'orders' AS module, id, sent_at FROM orders.outbox UNION ALL SELECT 'payments', id, sent_at FROM payments.outbox
				UNION ALL SELECT 'inventory', id, sent_at FROM inventory.outbox UNION ALL SELECT 'shipping', id, sent_at FROM shipping.outbox) AS events
			WHERE sent_at IS NOT NULL`),
	}
}

// stand demands that nobody has written them since. One that goes on has not ended.
func (w written) stand(t *testing.T, db *sql.DB) {
	t.Helper()
	now := writings(t, db)
	for id, was := range w.sagas {
		require.Equal(t, was, now.sagas[id], "a saga that had ended was written")
	}
	for id, was := range w.events {
		require.Equal(t, was, now.events[id], "event %s was marked as sent once more", id)
	}
}

// texts reads rows of a name and a text.
func texts(t *testing.T, db *sql.DB, query string) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		require.NoError(t, rows.Scan(&name, &text))
		all[name] = text
	}
	require.NoError(t, rows.Err())
	return all
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), query).Scan(&n))
	return n
}
