package contention

import (
	"context"
	"database/sql"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const (
	// beat is how often connections are taken.
	beat = 200 * time.Millisecond
	// progress is how many transactions the shop must have brought to their COMMIT
	// before the next of its connections are taken. Where a new connection takes long,
	// cuts by the clock alone would leave it none.
	progress = 40
)

// storm is how long connections are taken by the clock alone: at full size, where the
// test has the machine to itself.
var storm = time.Duration(shoptest.Storm(0, 45)) * time.Second

// TestConnectionsCut takes the database's connections away: five of them every
// 200 ms by order of an administrator, at the small size as long as the shop gets on in
// between, and every 25th at its COMMIT, once the server has done it and before the shop
// hears of it, or before the server gets it. What nobody knows the outcome of is repeated
// under the same key.
func TestConnectionsCut(t *testing.T) {
	beside(t)
	at := shoptest.NewPostgresSite(t)
	direct := at.Setting("BANYAN_DATABASE_URL")
	u, err := url.Parse(direct)
	require.NoError(t, err)
	cut := newCutter(t, u.Host)
	u.Host = cut.addr()
	f := serve(t, at.With("BANYAN_DATABASE_URL="+u.String()), 2)
	c := f.all[0].NewCrowd(t, f.admin, 16, shoptest.Storm(3, 40), 10_000, "tok_visa", "tok_lost_reply", "tok_declined", "tok_flaky", "tok_lost_reply")

	admin, err := sql.Open("pgx", direct)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	ctx, calm := context.WithCancel(t.Context())
	take := &terminator{db: admin, commits: &cut.commits, accepted: &c.Accepted}
	var taking sync.WaitGroup
	taking.Go(func() { take.run(ctx, t) })
	const least = 10 // of each
	began := time.Now()
	c.More = func() bool {
		return time.Since(began) < storm || take.ended.Load() <= 2*least || min(cut.after.Load(), cut.before.Load()) <= least
	}
	cut.every.Store(25)
	c.Burst(t.Context(), t, f.here()...)
	cut.every.Store(0)
	calm()
	taking.Wait()

	o := c.Settled(t, f.all[0], f.admin)
	v := f.all[0].Verdict(t, f.admin)
	t.Logf("%d connections terminated, %d of them at work, %d of %d COMMITs cut after the server did them, %d before it got them; %d answers unknown or to be repeated; %+v, %d charges",
		take.ended.Load(), take.working.Load(), cut.after.Load(), cut.commits.Load(), cut.before.Load(), c.Unknown.Load(), o, v.Charges)
	if full() {
		t.Logf("%d beats in the storm, connections taken at %d of them, %d orders answered meanwhile", take.due, take.fired, take.meanwhile)
		require.GreaterOrEqual(t, time.Duration(take.due)*beat, 30*time.Second, "the storm was too short")
		require.GreaterOrEqual(t, take.fired, take.due*9/10, "connections were not taken every %s", beat)
		require.Positive(t, take.working.Load(), "no connection was at work")
		require.Positive(t, take.meanwhile, "no order was answered in the storm")
	}
	require.Greater(t, take.ended.Load(), int64(2*least), "too few connections were terminated for the test to say anything")
	require.Greater(t, cut.after.Load(), int64(least), "too few COMMITs were cut for the test to say anything")
	require.Greater(t, cut.before.Load(), int64(least), "too few COMMITs were cut for the test to say anything")
	require.Positive(t, o.Confirmed)
	f.clean(t)
}

// terminator ends connections of the shop. What is no atomic is for who has waited for run.
type terminator struct {
	db                *sql.DB
	commits, accepted *atomic.Int64

	ended, working atomic.Int64 // connections; those that were not idle
	due, fired     int64        // beats of the storm; those at which a connection ended
	meanwhile      int64        // orders that were answered in the storm
}

// run ends five connections at each beat of the storm, and after it at each in which the
// shop got on.
func (w *terminator) run(ctx context.Context, t *testing.T) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	began := time.Now()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		raging := time.Since(began) < storm
		if !raging && w.commits.Load() < last+progress {
			continue
		}
		last = w.commits.Load()
		var ended, working int64
		err := w.db.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)), count(*) FILTER (WHERE state <> 'idle') FROM (
			SELECT pid, state FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'banyan%'
			ORDER BY random() LIMIT 5) AS picked`).Scan(&ended, &working)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		w.ended.Add(ended)
		w.working.Add(working)
		if raging {
			w.due, w.meanwhile = int64(time.Since(began)/beat), w.accepted.Load()
			if ended > 0 {
				w.fired++
			}
		}
	}
}
