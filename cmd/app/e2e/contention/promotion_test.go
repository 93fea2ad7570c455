package contention

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestPromotionLimit lets 40 buyers use a promotion that counts five times, and
// one that counts once. Uses of those whose card is declined come back, so that
// in the end exactly as many orders have the discount.
func TestPromotionLimit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fleet) {
		f.all[0].SetStock(t, f.admin, shoptest.Staple, 1000)
		clients := f.all[0].Customers(t, 40)
		discounted, declined := 0, 0
		rounds := shoptest.Storm(2, 20)
		for round := 0; round < rounds || declined == 0 && round < 10*rounds; round++ { // good cards alone may win a round
			limit := []int{5, 1}[round%2]
			code := "SALE" + fresh()
			f.admin.Do(t, http.StatusCreated, http.MethodPost, "/promotions", shoptest.Object{
				"code": code, "kind": "percent", "value": 10, "min_subtotal": nil, "usage_limit": limit,
				"starts_at": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "ends_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
			})
			first := f.useAll(t, clients, code, "tok_declined", "tok_visa")
			require.LessOrEqual(t, first.used, limit)
			require.Equal(t, len(clients), first.used+first.declined+first.refused, "an order ended in another way")
			// What the declined ones gave back is for those who try again.
			second := f.useAll(t, clients, code, "tok_lost_reply")
			require.Equal(t, limit, first.used+second.used)
			require.Equal(t, len(clients)-second.used, second.refused)
			discounted += limit
			declined += first.declined
		}
		require.Positive(t, declined, "no use of a promotion came back: the test says nothing")
		v := f.all[0].Verdict(t, f.admin)
		t.Logf("%d orders: %d with a discount, %d gave their use back, rejected %v", v.Orders, v.Discounted, declined, v.Rejected)
		require.Equal(t, discounted, v.Discounted)
		require.Equal(t, discounted, v.Confirmed)
		f.all[0].Audited(t)
		f.clean(t)
	})
}

type uses struct{ used, declined, refused int }

// useAll has every buyer order once with the promotion, all at the same time.
func (f fleet) useAll(t *testing.T, clients []shoptest.Client, code string, tokens ...string) uses {
	t.Helper()
	var u uses
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, c := range clients {
		all.Go(func() {
			body := shoptest.OrderBody(tokens[i%len(tokens)])
			body["promo_code"] = code
			<-start
			o, err := orderBody(t.Context(), c.At(f.at(i)), fresh(), body)
			for try := 0; err == nil && notCharged(o) && try < 10; try++ {
				o, err = orderBody(t.Context(), c.At(f.at(i)), fresh(), body)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case o.Text("status") == "confirmed":
				u.used++
			case o.Text("reason") == "payment.declined":
				u.declined++
			case o.Text("reason") == "promotion.invalid":
				u.refused++
			default:
				t.Errorf("an order ended in a way that cannot be: %s", o.Raw)
			}
		})
	}
	close(start)
	all.Wait()
	return u
}
