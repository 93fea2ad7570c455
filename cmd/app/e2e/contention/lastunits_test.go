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

const lastUnits = 3

// sale is what buyers of the last pieces know of each other.
type sale struct {
	fleet
	gate     chan struct{} // closed once the first ones hold everything
	declined atomic.Int64  // buyers whose first card was declined
	enough   int64         // of them, before anybody may pay with a good card
	tries    atomic.Int64
	left     atomic.Int64 // buyers who went away in the middle of a request
	bought   atomic.Int64
}

// TestLastUnits lets many buyers at the last three pieces. The first three hold
// them with a card that takes longer than a reservation lasts; then others whose
// card is declined, who come back with a good one; some ask for a quote and go,
// some hang up in the middle of the request. In the end exactly three are sold.
func TestLastUnits(t *testing.T) {
	t.Parallel()
	buyers := shoptest.Storm(60, 500)
	onEach(t, func(t *testing.T, f fleet) {
		s := &sale{fleet: f, gate: make(chan struct{}), enough: int64(buyers / 20)}
		f.all[0].SetStock(t, f.admin, shoptest.Staple, lastUnits)
		clients := f.all[0].Customers(t, buyers)
		var all sync.WaitGroup
		for i, client := range clients {
			all.Go(func() {
				if err := s.shop(t.Context(), client, i); err != nil {
					t.Error(err)
				}
			})
		}
		shoptest.Until(t, "all pieces are reserved", func() bool {
			return f.all[0].Stock(t, shoptest.Staple) == shoptest.Stock{OnHand: lastUnits, Reserved: lastUnits}
		})
		close(s.gate)
		all.Wait()

		v := f.all[0].Verdict(t, f.admin)
		t.Logf("%d buyers, %d tries, %d orders: %d sold, %d hung up, rejected %v, %d of them because the reservation ran out while paying",
			buyers, s.tries.Load(), v.Orders, v.Sold[shoptest.Staple], s.left.Load(), v.Rejected, v.Expired)
		require.Equal(t, map[string]int64{shoptest.Staple: lastUnits}, v.Sold)
		require.Equal(t, lastUnits, v.Confirmed)
		require.GreaterOrEqual(t, v.Expired, lastUnits, "no reservation ran out: the test says nothing")
		require.GreaterOrEqual(t, v.Rejected["payment.declined"], int(s.enough), "too few cards were declined for the test to say anything")
		require.Positive(t, v.Rejected["stock.insufficient"], "nobody came too late: the test says nothing")
		require.Positive(t, s.left.Load(), "nobody hung up: the test says nothing")
		for _, server := range f.all {
			server.Settles(t, shoptest.Staple, shoptest.Stock{})
		}
		f.all[0].Audited(t)
		f.clean(t)
	}, "BANYAN_INVENTORY_HOLD_TTL=2s")
}

// shop is what the i-th buyer does.
func (s *sale) shop(ctx context.Context, c shoptest.Client, i int) error {
	c = c.At(s.at(i))
	switch {
	case i < lastUnits:
		return s.hold(ctx, c)
	case i%10 == 3:
		return s.quoteAndLeave(ctx, c)
	case i%10 == 4:
		return s.hangUp(ctx, c)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.gate:
	}
	cards := []string{"tok_declined", "tok_insufficient_funds"}
	if i%10 < 3 {
		cards = nil
	}
	if cards != nil {
		o, err := s.persist(ctx, c, cards[i%2])
		if err != nil {
			return err
		}
		if o.Text("reason") == "payment.declined" {
			s.declined.Add(1)
		}
	}
	for s.declined.Load() < s.enough && !s.soldOut(ctx, c) {
		sometime(ctx, 50*time.Millisecond)
	}
	good := []string{"tok_visa", "tok_lost_reply", "tok_flaky"}
	_, err := s.persist(ctx, c, good[i%3])
	return err
}

// hold orders with the slow card until all pieces were held at the same moment.
func (s *sale) hold(ctx context.Context, c shoptest.Client) error {
	for {
		if _, err := s.persist(ctx, c, "tok_slow"); err != nil {
			return err
		}
		select {
		case <-s.gate:
			return nil
		default: // one hold ran out before another began
		}
	}
}

// persist orders again and again while there is a piece that somebody else only
// reserved, and gives the first order that ended in another way.
func (s *sale) persist(ctx context.Context, c shoptest.Client, token string) (shoptest.Answer, error) {
	for {
		s.tries.Add(1)
		o, err := order(ctx, c, fresh(), token)
		if err != nil {
			return o, err
		}
		if o.Text("status") == "confirmed" {
			s.bought.Add(1)
		}
		if o.Text("reason") != "stock.insufficient" || token == "tok_slow" || s.soldOut(ctx, c) {
			return o, nil
		}
		sometime(ctx, 300*time.Millisecond)
	}
}

func (s *sale) soldOut(ctx context.Context, c shoptest.Client) bool {
	a, err := c.Try(ctx, http.MethodGet, "/stock/"+shoptest.Staple, nil)
	left, ok := a.At("on_hand").(float64)
	return err == nil && ok && left <= 0 // below it, more was sold than there was
}

func (s *sale) quoteAndLeave(ctx context.Context, c shoptest.Client) error {
	a, err := c.Insist(ctx, http.MethodPost, "/quotes", shoptest.Object{
		"items": []any{shoptest.Object{"sku": shoptest.Staple, "quantity": 1}}, "country": "US", "shipping_method": "standard", "promo_code": nil,
	})
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("quote: %s", a.Raw)
	}
	return err
}

// hangUp goes away while the order is being made. Its card takes longer than a reservation
// lasts: what it gets hold of comes back.
func (s *sale) hangUp(ctx context.Context, c shoptest.Client) error {
	if err := put(ctx, c, 1); err != nil {
		return err
	}
	patience, cancel := context.WithCancel(ctx)
	go func() {
		sometime(patience, 100*time.Millisecond)
		cancel()
	}()
	_, err := c.With("Idempotency-Key", fresh()).With("Prefer", "wait=10").Try(patience, http.MethodPost, "/orders", shoptest.OrderBody("tok_slow"))
	if err != nil && ctx.Err() == nil {
		s.left.Add(1)
	}
	return nil
}

func put(ctx context.Context, c shoptest.Client, quantity int) error {
	a, err := c.Insist(ctx, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": quantity})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("put in cart: %s", a.Raw)
	}
	return err
}

// order fills the cart, orders under the key, and asks until that is decided.
func order(ctx context.Context, c shoptest.Client, key, token string) (shoptest.Answer, error) {
	return orderBody(ctx, c, key, shoptest.OrderBody(token))
}

func orderBody(ctx context.Context, c shoptest.Client, key string, body shoptest.Object) (shoptest.Answer, error) {
	if err := put(ctx, c, 1); err != nil {
		return shoptest.Answer{}, err
	}
	a, err := c.With("Idempotency-Key", key).With("Prefer", "wait=10").Insist(ctx, http.MethodPost, "/orders", body)
	if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusAccepted {
		err = fmt.Errorf("order: %s", a.Raw)
	}
	for id := a.Text("id"); err == nil && a.Text("status") == "pending"; {
		sometime(ctx, 100*time.Millisecond)
		a, err = c.Insist(ctx, http.MethodGet, "/orders/"+id, nil)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("ask for an order: %s", a.Raw)
		}
	}
	return a, err
}
