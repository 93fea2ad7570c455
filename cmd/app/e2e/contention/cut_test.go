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

// progress is how many transactions the shop must have brought to their COMMIT
// before the next of its connections are taken. Where a new connection takes long,
// cuts by the clock alone would leave it none.
const progress = 40

// TestConnectionsCut takes the database's connections away: five of them every
// 200 ms by order of an administrator, as long as the shop gets on in between, and
// every 25th at its COMMIT, once the server has done it and before the shop hears
// of it, or before the server gets it. What nobody knows the outcome of is repeated
// under the same key.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	at := shoptest.NewPostgresSite(t)
	direct := at.Setting("BANYAN_DATABASE_URL")
	u, err := url.Parse(direct)
	require.NoError(t, err)
	cut := newCutter(t, u.Host)
	u.Host = cut.addr()
	f := serve(t, at.With("BANYAN_DATABASE_URL="+u.String()), 2)
	c := f.all[0].NewCrowd(t, f.admin, 16, shoptest.Storm(3, 40), 10_000, "tok_visa", "tok_lost_reply", "tok_declined", "tok_flaky", "tok_lost_reply")

	ctx, calm := context.WithCancel(t.Context())
	var terminated atomic.Int64
	var terminator sync.WaitGroup
	terminator.Go(func() { terminate(ctx, t, direct, &cut.commits, &terminated) })
	const least = 10 // of each
	c.More = func() bool {
		return terminated.Load() <= 2*least || min(cut.after.Load(), cut.before.Load()) <= least
	}
	cut.every.Store(25)
	c.Burst(t.Context(), t, f.here()...)
	cut.every.Store(0)
	calm()
	terminator.Wait()

	o := c.Settled(t, f.all[0], f.admin)
	v := f.all[0].Verdict(t, f.admin)
	t.Logf("%d connections terminated, %d of %d COMMITs cut after the server did them, %d before it got them; %d answers unknown or to be repeated; %+v, %d charges",
		terminated.Load(), cut.after.Load(), cut.commits.Load(), cut.before.Load(), c.Unknown.Load(), o, v.Charges)
	require.Greater(t, terminated.Load(), int64(2*least), "too few connections were terminated for the test to say anything")
	require.Greater(t, cut.after.Load(), int64(least), "too few COMMITs were cut for the test to say anything")
	require.Greater(t, cut.before.Load(), int64(least), "too few COMMITs were cut for the test to say anything")
	require.Positive(t, o.Confirmed)
	f.clean(t)
}

// terminate ends five of the shop's connections every 200 ms in which it got on.
func terminate(ctx context.Context, t *testing.T, address string, commits, count *atomic.Int64) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if commits.Load() < last+progress {
			continue
		}
		last = commits.Load()
		var n int64
		err := db.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM (
			SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'banyan%'
			ORDER BY random() LIMIT 5) AS picked`).Scan(&n)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		count.Add(n)
	}
}
