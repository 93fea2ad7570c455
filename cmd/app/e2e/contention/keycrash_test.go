package contention

import (
	"net/http"
	"slices"
	"strconv"
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

// errand is what a customer asks for under one key while an instance is killed.
type errand struct {
	keyed
	saga  string                                                   // part of the name of what sees to it
	look  func(t *testing.T, c shoptest.Client) (begun, open bool) // as the customer sees it
	judge func(t *testing.T, f fleet, c shoptest.Client, key string, answers []said)
}

// errands are those of one route each. A slow card keeps one open for seconds.
var errands = []struct {
	route string
	card  string
	of    func(t *testing.T, c shoptest.Client, card string) errand
}{
	{"order", "tok_slow", ordering},
	{"deposit", "tok_slow", depositing},
	{"cancellation", "tok_slow", cancelling},
	{"order", "tok_lost_reply", ordering},
	{"deposit", "tok_lost_reply", depositing},
	{"cancellation", "tok_lost_reply", cancelling},
}

// TestSameKeyAcrossCrash kills an instance while 50 repeats of one order, deposit or
// cancellation are under way, and starts it again: whoever asks then gets the same
// answer, and it was done once.
func TestSameKeyAcrossCrash(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, at shoptest.Site, n, first int) {
		t.Helper()
		f := serve(t, at, n)
		const onHand = 1000
		f.all[0].SetStock(t, f.admin, shoptest.Staple, onHand)
		sites := make([]revived, n)
		var here []func() string
		for i := range sites {
			sites[i].now.Store(f.all[i])
			here = append(here, sites[i].here)
		}
		made, unsettled := map[string]int{}, map[string]int{}
		rounds := shoptest.Storm(2, 21)
		for round := 0; round < rounds || len(unsettled) == 0 && round < 5*rounds; round++ { // a busy machine may kill when all is decided
			turn := errands[(first+round)%len(errands)]
			c := sites[0].now.Load().Customer(t)
			e, key := turn.of(t, c, turn.card), fresh()
			waiting := c.With("Prefer", "wait=10")
			var answers []said
			var all sync.WaitGroup
			all.Go(func() { answers = together(t, waiting, key, here, e.keyed) })
			victim, open := round%n, false
			shoptest.Often(t, "the "+turn.route+" is under way", func() (begun bool) {
				if begun, open = e.look(t, c); !begun {
					return false
				}
				holder := slices.IndexFunc(f.all, func(s *shoptest.Server) bool { return s.Metric(t, "banyan_sagas_running", e.saga) > 0 })
				if holder >= 0 {
					victim = holder
				}
				return holder >= 0 || !open
			})
			made[turn.route]++
			if open {
				unsettled[turn.route]++
			}
			f.all[victim].Kill(t)
			f.all[victim] = shoptest.Serve(t, f.all[victim].Site)
			sites[victim].now.Store(f.all[victim])
			all.Wait()
			f.logIn(t)

			// The first answer may have died with the instance: then all are repeats.
			last := together(t, waiting, key, here, e.keyed)
			answers = append(answers, last...)
			if full() || !gaveUp(e.keyed, last[0].Answer) { // else a machine stood still
				for _, a := range answers {
					require.Equal(t, last[0].Status, a.Status, a.Raw)
					require.JSONEq(t, last[0].Raw, a.Raw)
				}
				require.True(t, last[0].replayed)
			}
			e.judge(t, f, c.At(sites[0].here()), key, answers)
		}
		v := f.all[0].Verdict(t, f.admin)
		t.Logf("kills %v, before that was decided %v; %d orders, %d charges for them", made, unsettled, v.Orders, v.Charges)
		require.NotEmpty(t, unsettled, "no kill hit what was open: the test says nothing")
		if full() {
			require.Len(t, unsettled, 3, "of a route no kill hit what was open")
		}
		require.Equal(t, made["order"]+made["cancellation"], v.Orders)
		require.Equal(t, made["order"], v.Confirmed)
		require.Equal(t, made["order"], v.Living)
		f.all[0].Settles(t, shoptest.Staple, shoptest.Stock{OnHand: onHand - int64(made["order"])})
		f.all[0].Audited(t)
	}
	// At the small size each has its share.
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, shoptest.NewSite(t), 1, 0)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, shoptest.NewPostgresSite(t), 2, 2)
	})
}

// ordering is an order: there is one, with one charge.
func ordering(t *testing.T, c shoptest.Client, card string) errand {
	t.Helper()
	c.PutInCart(t, shoptest.Staple, 1)
	return errand{
		keyed: keyed{"/orders", shoptest.OrderBody(card)}, saga: `saga="orders.checkout"`,
		look: func(t *testing.T, c shoptest.Client) (begun, open bool) {
			t.Helper()
			status := c.Get(t, "/orders").Text("items.0.status")
			return status != "", status == "pending"
		},
		judge: func(t *testing.T, f fleet, c shoptest.Client, key string, answers []said) {
			t.Helper()
			require.Equal(t, 1, orderCount(t, c))
			id := answers[0].Text("id")
			require.Equal(t, "confirmed", c.Decided(t, id).Text("status"))
			require.Equal(t, []string{"authorised"}, shoptest.Statuses(f.all[0].Ledger(t, f.admin, id)))
			c.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, "/orders", shoptest.OrderBody("tok_visa"))
		},
	}
}

// depositing is a deposit: the card is charged once, and so is the wallet credited.
func depositing(_ *testing.T, _ shoptest.Client, card string) errand {
	const cents = 2500
	k := deposit(cents, card)
	return errand{
		keyed: k, saga: `saga="wallet.deposit"`,
		look: func(t *testing.T, c shoptest.Client) (begun, open bool) { // a wallet shows nothing before
			t.Helper()
			return true, c.Purse(t).Balance == 0
		},
		judge: func(t *testing.T, f fleet, c shoptest.Client, key string, answers []said) {
			t.Helper()
			f.filled(t, use{c, k}, answers)
			c.With("Idempotency-Key", key).Refused(t, http.StatusUnprocessableEntity, "idempotency_key.reused", http.MethodPost, deposits, deposit(cents+1, card).body)
		},
	}
}

// cancelling is the cancellation of an order that is still being decided: that is done
// once, and nothing stays charged.
func cancelling(t *testing.T, c shoptest.Client, card string) errand {
	t.Helper()
	c.PutInCart(t, shoptest.Staple, 1)
	path := "/orders/" + c.Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody(card)).Text("id")
	return errand{
		keyed: keyed{path + "/cancel", nil}, saga: `saga="orders.c`, // its checkout, or its cancellation after that
		look: func(t *testing.T, c shoptest.Client) (begun, open bool) {
			t.Helper()
			o := c.Get(t, path)
			return told(o, "cancel requested") > 0, o.Text("status") != "cancelled"
		},
		judge: func(t *testing.T, f fleet, c shoptest.Client, _ string, answers []said) {
			t.Helper()
			require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, answers[0].Status, answers[0].Raw)
			o := c.Reaches(t, path, "cancelled")
			require.Equal(t, 1, told(o, "cancel requested"), o.Raw)
			require.Equal(t, 1, orderCount(t, c))
			var charges []shoptest.Charge
			shoptest.Until(t, "nothing stays charged", func() bool {
				charges = f.all[0].Ledger(t, f.admin, o.Text("id"))
				return !slices.ContainsFunc(charges, shoptest.Charge.Alive)
			})
			require.LessOrEqual(t, len(charges), 1, "charges of order %s", o.Raw)
		},
	}
}

// told counts how often the history of an order tells something.
func told(o shoptest.Answer, what string) (n int) {
	items, _ := o.At("history").([]any)
	for i := range items {
		if o.Text("history."+strconv.Itoa(i)+".detail") == what {
			n++
		}
	}
	return n
}
