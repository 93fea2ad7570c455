package crash

import (
	"context"
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
		at = at.With(chief...)
		s := shoptest.Serve(t, at)
		admin := s.LogIn(t, "chief@example.com", shoptest.Password)
		c := s.NewCrowd(t, admin, buyers, 0, 100_000, "tok_visa", "tok_visa", "tok_declined", "tok_lost_reply")
		o := openOutboxes(t, at, "orders", "payments", "inventory", "shipping") // in which a checkout makes events
		backlog, kills, midway, hits := int64(0), 0, 0, shoptest.Storm(1, 10)
		for round := 0; midway < hits && round < 5; round++ { // on a busy machine all may be brought before the kill
			c.Wish(shoptest.Storm(5, 40))
			for i, b := range c.Buyers {
				for n, w := range b.Wishes {
					w.Cancel = (i+n)%4 == 0
				}
			}
			o.hold(t)
			c.Burst(t.Context(), t, s.Here)
			backlog = o.unsent(t)
			require.Greater(t, backlog, int64(shoptest.Storm(100, 2000)), "too few events piled up")
			s.Kill(t)
			for left, most := backlog, kills+shoptest.Storm(5, 100); left > 0 && kills < most; kills++ {
				doomed := shoptest.Launch(t, at)
				shoptest.Often(t, "an event is brought", func() bool { return o.unsent(t) < left })
				doomed.Kill(t)
				if left = o.unsent(t); left > 0 {
					midway++
				}
			}
			s = shoptest.Serve(t, at)
		}
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
		require.GreaterOrEqual(t, midway, hits, "mostly all was brought before a kill came")
		t.Logf("%d events, %d kills while they were brought, %d with some left: %+v", backlog, kills, midway, out)
	})
}

// outboxes are those of some modules, looked at past the shop.
type outboxes []*database.DB

func openOutboxes(t *testing.T, at shoptest.Site, modules ...string) outboxes {
	t.Helper()
	cluster := openStore(t, at)
	t.Cleanup(func() { _ = cluster.Close() })
	var all outboxes
	for _, module := range modules {
		db, err := cluster.Module(t.Context(), module, 1)
		require.NoError(t, err)
		all = append(all, db)
	}
	return all
}

// hold makes every relay believe that another one is at work, for ever: a server that
// starts alone knows better.
func (o outboxes) hold(t *testing.T) {
	t.Helper()
	for _, db := range o {
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("UPDATE outbox_lanes SET holder = 'nobody', held_until = ?", database.At(time.Now().Add(time.Hour))).Error
		}))
	}
}

// sent demands that every event was brought to all who listen, by the rows alone. What
// is given back behind the orders makes some more.
func (o outboxes) sent(t *testing.T) {
	t.Helper()
	left, deadline := int64(0), time.Now().Add(shoptest.Patience/2)
	shoptest.Until(t, "the outboxes are empty", func() bool {
		left = o.unsent(t)
		return left == 0 || time.Now().After(deadline)
	})
	require.Zero(t, left, "events in the outboxes that were not sent")
}

// unsent counts the events that were not brought to all who listen.
func (o outboxes) unsent(t *testing.T) (n int64) {
	t.Helper()
	for _, db := range o {
		var here int64
		require.NoError(t, db.Conn(t.Context()).Raw("SELECT count(*) FROM outbox WHERE sent_at IS NULL").Scan(&here).Error)
		n += here
	}
	return n
}
