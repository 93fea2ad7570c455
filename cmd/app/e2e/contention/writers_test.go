package contention

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

const writers = 64

// crew is many customers who write at the same time.
type crew struct {
	puts, confirmed atomic.Int64
	late            atomic.Int64 // answers that came after the deadline of a call
	given           atomic.Int64 // orders that were given up, see notCharged
	later           atomic.Int64 // writes that the shop asked to send again after a while
}

// TestWriters has 64 customers write to the files of SQLite at the same time,
// carts and orders mixed, a quarter of them by a card whose reply is lost. No write may
// fail, and at full size none may have to wait longer than a call may take, or be sent away
// for a while.
func TestWriters(t *testing.T) {
	beside(t)
	rounds := shoptest.Storm(3, 12)
	f := serve(t, shoptest.NewSite(t), 1)
	f.all[0].SetStock(t, f.admin, shoptest.Staple, 1_000_000)
	clients := f.all[0].Customers(t, writers)
	var w crew
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, c := range clients {
		all.Go(func() {
			<-start
			for round := range rounds {
				card := "tok_visa"
				if (i+round)%4 == 0 {
					card = "tok_lost_reply"
				}
				if err := w.round(t.Context(), c, card); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	close(start)
	all.Wait()
	t.Logf("%d writers: %d carts written, %d orders confirmed, %d answers late, %d sent away for a while",
		writers, w.puts.Load(), w.confirmed.Load(), w.late.Load(), w.later.Load())
	require.EqualValues(t, writers*rounds, w.confirmed.Load(), "a writer was refused")
	require.Less(t, w.given.Load(), w.confirmed.Load()/2, "cards that were not charged")
	v := f.all[0].Verdict(t, f.admin)
	require.Equal(t, writers*rounds, v.Confirmed)
	require.Equal(t, writers*rounds, v.Living)
	require.LessOrEqual(t, v.Charges, writers*rounds+int(w.given.Load()), "of an order that was given up a voided charge may be left")
	if full() {
		require.Zero(t, w.late.Load(), "answers were late")
		require.Zero(t, w.later.Load(), "writers were sent away with 503")
		require.Equal(t, writers*rounds, v.Charges, "one charge for each order")
	}
	f.all[0].Settles(t, shoptest.Staple, shoptest.Stock{OnHand: 1_000_000 - int64(writers*rounds)})
	f.all[0].Audited(t)
	f.clean(t)
}

// round changes the cart some times and buys one piece. The cart of the purchase
// before is emptied after its confirmation, so this one may find it empty once more.
func (w *crew) round(ctx context.Context, c shoptest.Client, card string) error {
	for quantity := 5; quantity > 0; quantity-- {
		if _, err := w.write(ctx, c, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": quantity}); err != nil {
			return err
		}
		w.puts.Add(1)
	}
	for {
		keyed := c.Keyed().With("Prefer", "wait=10")
		o, err := w.write(ctx, keyed, http.MethodPost, "/orders", shoptest.OrderBody(card))
		for err == nil && o.Text("status") == "pending" {
			sometime(ctx, 100*time.Millisecond)
			o, err = c.Insist(ctx, http.MethodGet, "/orders/"+o.Text("id"), nil)
		}
		switch {
		case err != nil:
			return err
		case o.Text("status") == "confirmed":
			w.confirmed.Add(1)
			return nil
		case notCharged(o):
			if w.given.Add(1) > writers {
				return fmt.Errorf("a machine that stands still is no excuse for so many: %s", o.Raw)
			}
		case o.Text("reason") != "cart.empty":
			return fmt.Errorf("an order was not confirmed: %s", o.Raw)
		}
		if _, err := w.write(ctx, c, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1}); err != nil {
			return err
		}
	}
}

// write sends what changes something. It must be taken; what came too late is
// sent again, and so is what the shop itself asks to send again, with a time, as
// it does with orders, and with carts that lead to them, when more come in than it
// can decide.
func (w *crew) write(ctx context.Context, c shoptest.Client, method, path string, body any) (shoptest.Answer, error) {
	for {
		a, err := c.Try(ctx, method, path, body)
		switch {
		case err != nil:
			return a, err
		case a.Status < http.StatusMultipleChoices:
			return a, nil
		case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
			w.later.Add(1)
		case a.Status == http.StatusGatewayTimeout || a.Text("code") == "idempotency_key.in_flight":
			w.late.Add(1)
		default:
			return a, fmt.Errorf("%s %s was refused: %s", method, path, a.Raw)
		}
		sometime(ctx, 500*time.Millisecond)
	}
}
