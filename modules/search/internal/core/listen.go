package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Target is where what events say is written: every generation that takes events,
// or one that is being built.
type Target struct {
	store Store
	fresh Fresh
	only  int64 // 0: all takers
}

// Live is the target of events as they happen.
func (s *Service) Live() *Target { return &Target{store: s.store, fresh: s.fresh} }

// OnProducts keeps what catalog says.
func (t *Target) OnProducts(ctx context.Context, events []event.Happened[catalog.ProductChanged]) error {
	last := map[string]Product{}
	for _, e := range events {
		p := newProduct(e.Data.Product)
		p.ID, p.Version = e.AggregateID, e.Version
		last[p.ID] = p
	}
	products := make([]Product, 0, len(last))
	for _, id := range slices.Sorted(maps.Keys(last)) {
		products = append(products, last[id])
	}
	err := t.each(ctx, func(ctx context.Context, generation int64) error {
		changed, err := t.store.PutProducts(ctx, generation, products)
		if err != nil {
			return fmt.Errorf("keep products: %w", err)
		}
		return t.renew(ctx, generation, changed, changed)
	})
	return done(ctx, t, "product", events, err)
}

// OnPrices keeps what pricing says.
func (t *Target) OnPrices(ctx context.Context, events []event.Happened[pricing.Price]) error {
	last := map[string]Price{}
	for _, e := range events {
		p := Price{SKU: e.AggregateID, Version: e.Version, Amount: e.Data.Price.Amount, Currency: e.Data.Price.Currency}
		if e.Data.CompareAt != nil {
			p.CompareAt = &e.Data.CompareAt.Amount
		}
		last[p.SKU] = p
	}
	skus := slices.Sorted(maps.Keys(last))
	prices := make([]Price, len(skus))
	for i, sku := range skus {
		prices[i] = last[sku]
	}
	err := t.each(ctx, func(ctx context.Context, generation int64) error {
		if err := t.store.PutPrices(ctx, generation, prices); err != nil {
			return fmt.Errorf("keep prices: %w", err)
		}
		return t.reprice(ctx, generation, skus)
	})
	return done(ctx, t, "price", events, err)
}

// OnLevels keeps what inventory says.
func (t *Target) OnLevels(ctx context.Context, events []event.Happened[inventory.Level]) error {
	last := map[string]Level{}
	for _, e := range events {
		last[e.AggregateID] = Level{SKU: e.AggregateID, Version: e.Version, Available: e.Data.Available}
	}
	skus := slices.Sorted(maps.Keys(last))
	levels := make([]Level, len(skus))
	for i, sku := range skus {
		levels[i] = last[sku]
	}
	err := t.each(ctx, func(ctx context.Context, generation int64) error {
		if err := t.store.PutLevels(ctx, generation, levels); err != nil {
			return fmt.Errorf("keep stock: %w", err)
		}
		return t.reprice(ctx, generation, skus)
	})
	return done(ctx, t, "stock", events, err)
}

// apply writes events of the log, past the inbox: the versions of what is kept tell
// which of them are old.
func (t *Target) apply(ctx context.Context, events []event.Envelope) error {
	of := map[string][]event.Envelope{}
	for _, e := range events {
		of[e.Type] = append(of[e.Type], e)
	}
	return errors.Join(
		told(ctx, of[catalog.WasChanged.Name()], t.OnProducts),
		told(ctx, of[pricing.Changed.Name()], t.OnPrices),
		told(ctx, of[inventory.Changed.Name()], t.OnLevels),
	)
}

func told[T any](ctx context.Context, events []event.Envelope, fn func(context.Context, []event.Happened[T]) error) error {
	if len(events) == 0 {
		return nil
	}
	list := make([]event.Happened[T], len(events))
	for i, e := range events {
		list[i].Meta = event.Meta{ID: e.ID, AggregateID: e.AggregateID, Version: e.Version, Time: e.Time}
		if err := json.Unmarshal(e.Data, &list[i].Data); err != nil {
			return fmt.Errorf("read the payload of %s %s: %w", e.Type, e.ID, err)
		}
	}
	return fn(ctx, list)
}

func (t *Target) each(ctx context.Context, fn func(ctx context.Context, generation int64) error) error {
	takers := []int64{t.only}
	if t.only == 0 {
		var err error
		if takers, err = t.store.Takers(ctx); err != nil {
			return fmt.Errorf("read the generations: %w", err)
		}
	}
	for _, generation := range takers {
		if err := fn(ctx, generation); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) reprice(ctx context.Context, generation int64, skus []string) error {
	products, err := t.store.Sellers(ctx, generation, skus)
	if err != nil {
		return fmt.Errorf("look up who sells: %w", err)
	}
	return t.renew(ctx, generation, products, nil)
}

// renew makes the documents of products anew: of those in told all, of the others
// only what it costs and whether it is there, unless they had none so far.
func (t *Target) renew(ctx context.Context, generation int64, products, told []string) error {
	if len(products) == 0 {
		return nil
	}
	standing, err := t.store.Lock(ctx, generation, products)
	if err != nil {
		return fmt.Errorf("lock products: %w", err)
	}
	var gone, whole []string
	terms, only := map[string]Terms{}, map[string]Terms{}
	for _, p := range standing {
		offer, priced := termsOf(p.Offers)
		switch {
		case !p.Published || !priced:
			if p.Document {
				gone = append(gone, p.ProductID)
			}
		case p.Document && !slices.Contains(told, p.ProductID):
			only[p.ProductID] = offer
		default:
			whole = append(whole, p.ProductID)
			terms[p.ProductID] = offer
		}
	}
	if err := t.store.Remove(ctx, generation, gone); err != nil {
		return fmt.Errorf("remove documents: %w", err)
	}
	if err := t.store.PutTerms(ctx, generation, only); err != nil {
		return fmt.Errorf("change documents: %w", err)
	}
	if len(whole) == 0 {
		return nil
	}
	contents, err := t.store.Contents(ctx, generation, whole)
	if err != nil {
		return fmt.Errorf("read products: %w", err)
	}
	documents := make([]Document, 0, len(whole))
	for _, id := range whole {
		documents = append(documents, newDocument(id, contents[id], terms[id]))
	}
	if err := t.store.PutDocuments(ctx, generation, documents); err != nil {
		return fmt.Errorf("make documents: %w", err)
	}
	return nil
}

// done tells how fresh events are once they can be found.
func done[T any](ctx context.Context, t *Target, kind string, events []event.Happened[T], err error) error {
	if err != nil || t.fresh == nil {
		return err
	}
	recorded := make([]time.Time, len(events))
	for i, e := range events {
		recorded[i] = e.Time
	}
	t.store.AfterCommit(ctx, func() {
		for _, at := range recorded {
			t.fresh(kind, at)
		}
	})
	return nil
}
