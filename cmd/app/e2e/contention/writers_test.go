package contention

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const writers = 64

// TestWriters has 64 customers write to the single file of SQLite at the same
// time, carts and orders mixed. None of them may be refused.
func TestWriters(t *testing.T) {
	t.Parallel()
	rounds := shoptest.Storm(3, 40)
	f := serve(t, shoptest.NewSite(t), 1)
	f.all[0].SetStock(t, f.admin, shoptest.Staple, 1_000_000)
	clients := f.all[0].Customers(t, writers)
	var all sync.WaitGroup
	var puts, confirmed atomic.Int64
	start := make(chan struct{})
	for _, c := range clients {
		all.Go(func() {
			<-start
			for range rounds {
				for quantity := range 5 {
					if err := put(t.Context(), c, quantity+1); err != nil {
						t.Error(err)
						return
					}
					puts.Add(1)
				}
				if err := orderedOne(t.Context(), c); err != nil {
					t.Error(err)
					return
				}
				confirmed.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	t.Logf("%d writers: %d carts written, %d orders confirmed", writers, puts.Load(), confirmed.Load())
	require.EqualValues(t, writers*rounds, confirmed.Load(), "a writer was refused")
	v := f.all[0].Verdict(t, f.admin)
	require.Equal(t, writers*rounds, v.Confirmed)
	require.Equal(t, writers*rounds, v.Charges)
	f.all[0].Settles(t, shoptest.Staple, shoptest.Stock{OnHand: 1_000_000 - int64(writers*rounds)})
	f.all[0].Audited(t)
	f.clean(t)
}

// orderedOne buys one piece. The cart of the purchase before is emptied after its
// confirmation, so this one may find it empty once more.
func orderedOne(ctx context.Context, c shoptest.Client) error {
	for {
		o, err := order(ctx, c, fresh(), "tok_visa")
		if err != nil || o.Text("status") == "confirmed" {
			return err
		}
		if o.Text("reason") != "cart.empty" {
			return fmt.Errorf("an order was not confirmed: %s", o.Raw)
		}
	}
}
