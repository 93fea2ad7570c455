package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// skus are how many there are to buy: an order takes one of each third, so that
// no two rows are taken in crossed order on either side.
const skus = 498

// perOrder is how many lines an order has.
const perOrder = 3

// buyers are users with a cart each.
type buyers struct {
	shop *shop
	list []client
}

// parallel runs n jobs by workers and gives the first error.
func parallel(ctx context.Context, workers, n int, job func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, n) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := job(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// register makes users and logs them in.
func (p *shop) register(ctx context.Context, n int) (*buyers, error) {
	c := p.client()
	all := &buyers{shop: p, list: make([]client, n)}
	return all, parallel(ctx, 4, n, func(ctx context.Context, i int) error {
		for {
			err := all.join(ctx, c, i)
			if !tooBusy(err) { // hashing passwords is bounded, and the machine may be busy
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
}

// join makes the i-th buyer a user who is logged in.
func (a *buyers) join(ctx context.Context, c client, i int) error {
	const password = "correct horse battery"
	email := id.V7() + "@example.com"
	err := c.do(ctx, http.StatusCreated, http.MethodPost, "/users", object{"email": email, "password": password, "name": "Ada"}, nil)
	if err == nil {
		a.list[i], err = c.logIn(ctx, email, password)
	}
	return err
}

// fill puts three SKUs into the first n carts.
func (a *buyers) fill(ctx context.Context, n, round int) error {
	return parallel(ctx, 16, n*perOrder, func(ctx context.Context, i int) error {
		third := skus / perOrder
		chosen := 1 + i%perOrder*third + (i*31+round*17)%third
		return a.list[i/perOrder].do(ctx, http.StatusOK, http.MethodPut, "/cart/items/"+sku(chosen), object{"quantity": 1}, nil)
	})
}

// wave is what came of n checkouts.
type wave struct {
	n       int
	took    time.Duration // until the last order was confirmed
	rested  time.Duration // until nothing was left to do for any of them
	spent   time.Duration // processor time of the shop for all of it; 0 for a limit
	answers []time.Duration
}

// order lets so many clients check out the first n carts, and waits until the
// shop is at rest again. Every order must be confirmed.
func (a *buyers) order(ctx context.Context, clients, n int) (wave, error) {
	w := wave{n: n, answers: make([]time.Duration, n)}
	before, err := a.shop.spent()
	if err != nil {
		return w, err
	}
	start := time.Now()
	err = parallel(ctx, clients, n, func(ctx context.Context, i int) error {
		begun := time.Now()
		var answer struct{ Status, Reason string }
		err := a.list[i].do(ctx, http.StatusCreated, http.MethodPost, "/orders", object{
			"shipping_address": object{"name": "Ada", "line1": "1 Fig Lane", "line2": "", "city": "Springfield", "postal_code": "12345", "country": "US"},
			"shipping_method":  "standard", "payment": object{"method": "card", "token": "tok_visa"},
		}, &answer, "Idempotency-Key", id.V7(), "Prefer", "wait=30")
		if err == nil && answer.Status != "confirmed" {
			err = fmt.Errorf("an order became %q because of %q", answer.Status, answer.Reason)
		}
		w.answers[i] = time.Since(begun)
		return err
	})
	w.took = time.Since(start)
	if err != nil {
		return w, err
	}
	if err := a.shop.settled(ctx); err != nil {
		return w, err
	}
	w.rested = time.Since(start)
	after, err := a.shop.spent()
	w.spent = after - before
	return w, err
}

// sold adds up what is gone of every SKU.
func (a *buyers) sold(ctx context.Context) (int64, error) {
	var sum atomic.Int64
	err := parallel(ctx, 8, skus, func(ctx context.Context, i int) error {
		var level struct {
			OnHand   int64 `json:"on_hand"`
			Reserved int64 `json:"reserved"`
		}
		err := a.list[0].do(ctx, http.StatusOK, http.MethodGet, "/stock/"+sku(i+1), nil, &level)
		sum.Add(stocked - level.OnHand)
		if err == nil && level.Reserved != 0 {
			err = fmt.Errorf("%d of %s are still reserved", level.Reserved, sku(i+1))
		}
		return err
	})
	return sum.Load(), err
}
