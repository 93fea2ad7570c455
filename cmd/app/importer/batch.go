package importer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/shopcsv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// batch is what goes through the stages together.
type batch struct {
	items   []item
	refused []Refusal // by the file's reader
	bytes   int64     // of the file, read by the end of this batch

	prices map[string]pricing.Price // as they were before; by SKU
	stock  map[string]int64         // on hand before; by SKU
}

// item is one product with what has become of it.
type item struct {
	product shopcsv.Product
	outcome string // of catalog's words
	reason  string // of a refusal
}

func (it *item) refuse(by string, err error) {
	f := fault.From(err)
	it.outcome, it.reason = catalog.Refused, by+": "+f.Message
	if len(f.Fields) > 0 {
		it.reason += ": " + f.Fields[0].Detail
	}
}

func (it *item) changed() {
	if it.outcome == catalog.Unchanged {
		it.outcome = catalog.Changed
	}
}

// list brings the batch into the catalogue, which decides who sells which SKU,
// and meanwhile looks up which prices and stock there are.
func (im *importing) list(ctx context.Context, b *batch) error {
	skus := b.skus() // beforehand: bring writes into the items
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return im.bring(ctx, b) })
	group.Go(func() error { return im.lookUpPrices(ctx, b, skus) })
	group.Go(func() error { return im.lookUpStock(ctx, b, skus) })
	return group.Wait()
}

func (im *importing) bring(ctx context.Context, b *batch) error {
	if len(b.items) == 0 {
		return nil
	}
	req := catalog.ImportRequest{Products: make([]catalog.ImportProduct, len(b.items))}
	for i, it := range b.items {
		req.Products[i] = wanted(it.product)
	}
	reply, err := again(ctx, func() (catalog.ImportReply, error) { return im.Services.Catalog.Import(ctx, req) })
	if err != nil {
		return fmt.Errorf("write products from line %d on: %w", b.items[0].product.Line, err)
	}
	if len(reply.Results) != len(b.items) {
		return fmt.Errorf("catalog answered for %d of %d products", len(reply.Results), len(b.items))
	}
	for i, r := range reply.Results {
		b.items[i].outcome, b.items[i].reason = r.Outcome, r.Reason
	}
	return nil
}

func (b *batch) skus() []string {
	var skus []string
	for _, it := range b.items {
		for _, v := range it.product.Variants {
			skus = append(skus, v.SKU)
		}
	}
	return skus
}

func (im *importing) lookUpPrices(ctx context.Context, b *batch, skus []string) error {
	b.prices = map[string]pricing.Price{}
	for part := range slices.Chunk(skus, maxSKUs) {
		reply, err := again(ctx, func() (pricing.PricesReply, error) {
			return im.Services.Pricing.Prices(ctx, pricing.PricesRequest{SKUs: part})
		})
		if err != nil {
			return fmt.Errorf("look up prices: %w", err)
		}
		for _, p := range reply.Items {
			b.prices[p.SKU] = p
		}
	}
	return nil
}

func (im *importing) lookUpStock(ctx context.Context, b *batch, skus []string) error {
	b.stock = map[string]int64{}
	for part := range slices.Chunk(skus, maxSKUs) {
		reply, err := again(ctx, func() (inventory.LevelsReply, error) {
			return im.Services.Inventory.Levels(ctx, inventory.LevelsRequest{SKUs: part})
		})
		if err != nil {
			return fmt.Errorf("look up stock: %w", err)
		}
		for _, l := range reply.Items {
			b.stock[l.SKU] = l.OnHand
		}
	}
	return nil
}

// offer brings in prices and stock of what the catalogue took. The two write
// into different databases at the same time, so neither touches the items
// before both are through.
func (im *importing) offer(ctx context.Context, b *batch) error {
	var prices, counts []error
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		prices, err = write(ctx, b, im.newPrices, func(ctx context.Context, all []pricing.Price) error {
			_, err := im.Services.Pricing.SetPrices(ctx, pricing.SetPricesRequest{Prices: all})
			return err
		}, pricing.InvalidPrice)
		return err
	})
	group.Go(func() (err error) {
		counts, err = write(ctx, b, im.newCounts, func(ctx context.Context, all []inventory.OnHand) error {
			_, err := im.Services.Inventory.SetOnHand(ctx, inventory.SetOnHandRequest{Levels: all, OnlyNew: !im.ResetStock})
			return err
		}, inventory.InvalidStock)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range b.items {
		it := &b.items[i]
		if it.outcome == catalog.Refused {
			continue
		}
		if len(im.newPrices(b, it)) > 0 || len(im.newCounts(b, it)) > 0 {
			it.changed()
		}
		if prices[i] != nil {
			it.refuse("price", prices[i])
		} else if counts[i] != nil {
			it.refuse("stock", counts[i])
		}
	}
	return nil
}

// newPrices are the item's prices that differ from those there are.
func (im *importing) newPrices(b *batch, it *item) []pricing.Price {
	var out []pricing.Price
	for _, v := range it.product.Variants {
		p := pricing.Price{SKU: v.SKU, Price: money.Of(v.Price, im.Currency)}
		if v.CompareAt != nil {
			was := money.Of(*v.CompareAt, im.Currency)
			p.CompareAt = &was
		}
		old, known := b.prices[v.SKU]
		same := known && old.Price == p.Price && (old.CompareAt == nil) == (p.CompareAt == nil) &&
			(old.CompareAt == nil || *old.CompareAt == *p.CompareAt)
		if !same {
			out = append(out, p)
		}
	}
	return out
}

// newCounts are the item's quantities that are to be set, as far as is known:
// inventory itself leaves alone what somebody else counted meanwhile. A variant to
// which the file gives no quantity has none: it would be taken for a count of 0.
func (im *importing) newCounts(b *batch, it *item) []inventory.OnHand {
	var out []inventory.OnHand
	for _, v := range it.product.Variants {
		if v.Quantity == nil {
			continue
		}
		old, known := b.stock[v.SKU]
		if !known || im.ResetStock && old != *v.Quantity {
			out = append(out, inventory.OnHand{SKU: v.SKU, OnHand: *v.Quantity})
		}
	}
	return out
}

// write sends what each item brings, all in one call; where that is refused with
// the given code, item by item, to find whose fault it is. The answer has a
// refusal or nil for each item.
func write[T any](ctx context.Context, b *batch, of func(*batch, *item) []T, send func(context.Context, []T) error, code fault.Code) ([]error, error) {
	refused := make([]error, len(b.items))
	var all []T
	for i := range b.items {
		if b.items[i].outcome != catalog.Refused {
			all = append(all, of(b, &b.items[i])...)
		}
	}
	err := sendAll(ctx, all, send)
	if !errors.Is(err, code) {
		return refused, err
	}
	for i := range b.items {
		if b.items[i].outcome == catalog.Refused {
			continue
		}
		err := sendAll(ctx, of(b, &b.items[i]), send)
		if errors.Is(err, code) {
			refused[i] = err
		} else if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

func sendAll[T any](ctx context.Context, all []T, send func(context.Context, []T) error) error {
	for part := range slices.Chunk(all, maxSKUs) {
		if _, err := again(ctx, func() (struct{}, error) { return struct{}{}, send(ctx, part) }); err != nil {
			return err
		}
	}
	return nil
}

// again repeats a call that may succeed later. Every call of an import is
// idempotent, so an unknown outcome is repeated too; a count that replaces another
// (ResetStock) takes what was sold between for not sold.
func again[T any](ctx context.Context, call func() (T, error)) (T, error) {
	const attempts, first = 6, 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		out, err := call()
		if err == nil || attempt == attempts || ctx.Err() != nil || !transient(err) {
			return out, err
		}
		pause := first << (attempt - 1)
		select {
		case <-ctx.Done():
			return out, err
		case <-time.After(pause/2 + rand.N(pause)): // jitter
		}
	}
}

func transient(err error) bool {
	return errors.Is(err, fault.Unavailable) || errors.Is(err, fault.DeadlineExceeded)
}

// wanted is the product as the catalogue takes it.
func wanted(p shopcsv.Product) catalog.ImportProduct {
	status := map[shopcsv.Status]string{
		shopcsv.Active: catalog.Published, shopcsv.Draft: catalog.Draft, shopcsv.Archived: catalog.Archived,
	}[p.Status]
	in := catalog.ProductInput{
		Handle: p.Handle, Title: p.Title, DescriptionHTML: p.BodyHTML, Vendor: p.Vendor, Category: p.Type, Tags: p.Tags,
	}
	for _, image := range p.Images {
		in.Images = append(in.Images, catalog.Image(image))
	}
	for _, v := range p.Variants {
		variant := catalog.Variant{SKU: v.SKU, Title: v.Title, WeightGrams: v.Grams, Barcode: v.Barcode}
		for _, o := range v.Options {
			variant.Options = append(variant.Options, catalog.Option(o))
		}
		in.Variants = append(in.Variants, variant)
	}
	return catalog.ImportProduct{Product: in, Status: status}
}
