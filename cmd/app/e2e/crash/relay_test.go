package crash

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/database"
)

// TestRelay lets events pile up, and kills the shop again and again while it
// brings them to those who listen. Each must have its effect once and in order:
// one shipment for each order that stays, the stock of the others back, once.
func TestRelay(t *testing.T) {
	t.Parallel()
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		dice := chance(t)
		at = at.With(chief...)
		s := shoptest.Serve(t, at)
		admin := s.LogIn(t, "chief@example.com", shoptest.Password)
		c := s.NewCrowd(t, admin, buyers, shoptest.Storm(5, 40), 100_000, "tok_visa", "tok_visa", "tok_declined", "tok_lost_reply")
		for i, b := range c.Buyers {
			for n, w := range b.Wishes {
				w.Cancel = (i+n)%4 == 0
			}
		}
		holdLanes(t, at)
		c.Burst(t.Context(), t, s.Here)
		backlog := unsent(t, at)
		require.Greater(t, backlog, shoptest.Storm(100, 2000), "too few events piled up")
		s.Kill(t)
		kills := 0
		for left := backlog; left > 0; left = unsent(t, at) {
			doomed := shoptest.Serve(t, at)
			select {
			case <-doomed.Exited:
			case <-time.After(time.Duration(dice.Int64N(1 + int64(time.Duration(kills)*80*time.Millisecond)))): // at once, then longer each time, so that it ends
			}
			doomed.Kill(t)
			kills++
		}
		s = shoptest.Serve(t, at)
		admin = admin.At(s.Shop)
		s.Quiet(t)
		out := c.Settled(t, s, admin)
		shipments := map[string]bool{}
		for _, b := range c.Buyers {
			for _, w := range b.Wishes {
				if o := admin.Get(t, "/orders/"+w.Order); o.Text("status") == "confirmed" {
					shipments[o.Text("shipment_id")] = true
					require.Equal(t, "pending", admin.Get(t, "/shipments/"+o.Text("shipment_id")).Text("status"))
				}
			}
		}
		require.Len(t, shipments, out.Confirmed, "one shipment for each order")
		require.Positive(t, out.Cancelled)
		require.Greater(t, kills, 1, "all was brought before a kill came")
		t.Logf("%d events, %d kills while they were brought: %+v", backlog, kills, out)
	})
}

// holdLanes makes every relay believe that another one is at work, for ever: a
// server that starts alone knows better.
func holdLanes(t *testing.T, at shoptest.Site) {
	t.Helper()
	cfg := database.Config{Dir: at.Data, Pool: 10}
	for _, setting := range at.Settings {
		if url, ok := strings.CutPrefix(setting, "BANYAN_DATABASE_URL="); ok {
			cfg.URL = url
		}
	}
	cluster, err := database.Open(t.Context(), cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, cluster.Close()) }()
	for _, module := range []string{"orders", "payments", "inventory", "shipping"} {
		db, err := cluster.Module(t.Context(), module, 1)
		require.NoError(t, err)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("UPDATE outbox_lanes SET holder = 'nobody', held_until = ?", database.At(time.Now().Add(time.Hour))).Error
		}))
	}
}

// unsent counts the events that were not brought to all who listen.
func unsent(t *testing.T, at shoptest.Site) (n int) {
	t.Helper()
	var stats struct{ Sources []struct{ Unsent int } }
	at.JSON(t, &stats, "events", "status", "--json")
	for _, source := range stats.Sources {
		n += source.Unsent
	}
	return n
}
