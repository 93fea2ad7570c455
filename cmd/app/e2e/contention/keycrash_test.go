package contention

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// revived is an instance that may be killed and started again, at another address.
type revived struct {
	now atomic.Pointer[shoptest.Server]
}

func (r *revived) here() string { return r.now.Load().Shop }

// TestSameKeyAcrossCrash kills an instance while 50 repeats of one order are
// under way, and starts it again: whoever asks then gets the same answer, and
// there is one order with one charge.
func TestSameKeyAcrossCrash(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, at shoptest.Site, n int) {
		t.Helper()
		f := serve(t, at, n)
		f.all[0].SetStock(t, f.admin, shoptest.Staple, 1000)
		sites := make([]revived, n)
		var here []func() string
		for i := range sites {
			sites[i].now.Store(f.all[i])
			here = append(here, sites[i].here)
		}
		unsettled, made := 0, 0
		rounds := shoptest.Storm(2, 20)
		for round := 0; round < rounds || unsettled == 0 && round < 5*rounds; round++ { // a busy machine may kill when all is decided
			made++
			victim := &sites[round%n]
			c := victim.now.Load().Customer(t)
			c.PutInCart(t, shoptest.Staple, 1)
			// A slow card keeps the checkout open in every other round.
			body := keyed{"/orders", shoptest.OrderBody([]string{"tok_slow", "tok_lost_reply"}[round%2])}
			key, waiting := fresh(), c.With("Prefer", "wait=10")
			var answers []said
			var all sync.WaitGroup
			all.Go(func() { answers = together(t, waiting, key, here, body) })
			shoptest.Until(t, "the order is there", func() bool { return orderCount(t, c.At(victim.here())) > 0 })
			if c.At(victim.here()).Get(t, "/orders").Text("items.0.status") == "pending" {
				unsettled++
			}
			old := victim.now.Load()
			old.Kill(t)
			victim.now.Store(shoptest.Serve(t, old.Site))
			all.Wait()

			// The first answer may have died with the instance: then all are repeats.
			last := together(t, waiting, key, here, body)
			for _, a := range append(answers, last...) {
				require.Equal(t, last[0].Status, a.Status, a.Raw)
				require.JSONEq(t, last[0].Raw, a.Raw)
			}
			require.True(t, last[0].replayed)
			now := c.At(victim.here())
			require.Equal(t, 1, orderCount(t, now))
			require.Equal(t, "confirmed", now.Decided(t, last[0].Text("id")).Text("status"))
			now.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
		}
		f.all[0] = sites[0].now.Load()
		f.logIn(t)
		v := f.all[0].Verdict(t, f.admin)
		t.Logf("%d kills, %d of them before the order was decided: %d orders, %d charges", made, unsettled, v.Orders, v.Charges)
		require.Positive(t, unsettled, "no kill hit an open order: the test says nothing")
		require.Equal(t, made, v.Orders)
		require.Equal(t, made, v.Charges)
		f.all[0].Audited(t)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, shoptest.NewSite(t), 1)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, shoptest.NewPostgresSite(t), 2)
	})
}
