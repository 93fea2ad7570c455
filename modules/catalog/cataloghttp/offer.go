package cataloghttp

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

const (
	// patience is how long a product waits for prices and stock. Customers see
	// the product without them rather than no product.
	patience = time.Second
	maxSKUs  = 500 // of one question
)

// offers is what other contexts know of some SKUs.
type offers struct {
	price  map[string]offer
	levels map[string]int64
	silent map[string]bool // SKUs whose stock nobody could tell
}

type offer struct{ price, compareAt *money.Money }

// available is nil where inventory could not be asked. A SKU for which no stock
// was ever set is not there: 0.
func (o offers) available(sku string) *int64 {
	if o.silent[sku] {
		return nil
	}
	n := o.levels[sku]
	return &n
}

// offers asks pricing and inventory at the same time. What they cannot tell is
// left out, and their error goes no further: it is seen in the metrics of the calls.
func (d Deps) offers(ctx context.Context, skus []string) offers {
	o := offers{price: map[string]offer{}, levels: map[string]int64{}, silent: map[string]bool{}}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() {
		for part := range slices.Chunk(skus, maxSKUs) {
			reply, err := d.Pricing.Prices(ctx, pricing.PricesRequest{SKUs: part})
			if err != nil {
				continue
			}
			for _, p := range reply.Items {
				o.price[p.SKU] = offer{&p.Price, p.CompareAt}
			}
		}
	})
	both.Go(func() {
		for part := range slices.Chunk(skus, maxSKUs) {
			reply, err := d.Inventory.Levels(ctx, inventory.LevelsRequest{SKUs: part})
			if err != nil {
				for _, sku := range part {
					o.silent[sku] = true
				}
				continue
			}
			for _, l := range reply.Items {
				o.levels[l.SKU] = l.Available
			}
		}
	})
	both.Wait()
	return o
}
