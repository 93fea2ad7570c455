package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Owners are those whose data search has copies of. Only the audit asks them:
// questions are answered from the copies alone.
type Owners struct {
	Catalog   catalog.Service
	Pricing   pricing.Service
	Inventory inventory.Service
	// Patience is how long a copy may lag behind its owner before that is a finding;
	// 15 s unless set.
	Patience time.Duration
}

const (
	auditPage = 100
	auditSKUs = 500 // of one question to an owner
	patience  = 15 * time.Second
	lookAgain = 500 * time.Millisecond
)

// Copies is what the audit reads of the live generation.
type Copies interface {
	// Documents gives up to limit documents with product ids above after, in their order.
	Documents(ctx context.Context, after string, limit int) ([]Hit, error)
	// DocumentsOf gives those of these products.
	DocumentsOf(ctx context.Context, products []string) ([]Hit, error)
}

// Checks are the rules of search: copies are as their owners say.
func (s *Service) Checks(owners Owners) []audit.Check {
	return []audit.Check{{
		Rule: "search.copies_agree",
		Says: "What search shows is published, and has the title, price and stock that its owners say; and nothing that can be bought is missing",
		Run: func(ctx context.Context, report func(subject, detail string)) (int, error) {
			return auditor{s, owners}.run(ctx, report)
		},
	}}
}

type auditor struct {
	*Service
	owners Owners
}

// run compares page by page what the owners have, then looks for documents that
// they know nothing of. What differs is looked at again until it agrees or has
// had time enough: on a live shop an event is always on its way.
func (a auditor) run(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for after := ""; ; {
		page, err := a.owners.Catalog.List(ctx, catalog.ListRequest{Limit: auditPage, After: after})
		if err != nil {
			return examined, fmt.Errorf("read products: %w", err)
		}
		examined += len(page.Items)
		if err := a.settled(ctx, page.Items, report); err != nil {
			return examined, err
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for after := ""; ; {
		hits, err := a.store.Documents(ctx, after, auditPage)
		if err != nil || len(hits) == 0 {
			return examined, err
		}
		after = hits[len(hits)-1].ProductID
		if err := a.known(ctx, hits, report); err != nil {
			return examined, err
		}
	}
}

// settled reports what still differs after a while.
func (a auditor) settled(ctx context.Context, products []catalog.Product, report func(subject, detail string)) error {
	var wrong map[string]string
	most := a.owners.Patience
	if most <= 0 {
		most = patience
	}
	for pause := min(lookAgain, most); ; most -= pause {
		var err error
		if wrong, err = a.differences(ctx, products); err != nil {
			return err
		}
		if len(wrong) == 0 || most <= 0 || ctx.Err() != nil {
			break
		}
		Wait(ctx, pause)
		products = slices.DeleteFunc(products, func(p catalog.Product) bool { return wrong[p.ID] == "" })
		for i, p := range products { // as it is by now
			if now, err := a.owners.Catalog.Get(ctx, catalog.GetRequest{Handle: p.Handle}); err == nil {
				products[i] = now
			}
		}
	}
	for _, p := range products {
		if detail := wrong[p.ID]; detail != "" {
			report("product "+p.Handle, detail)
		}
	}
	return ctx.Err()
}

// differences tells of products what search has otherwise.
func (a auditor) differences(ctx context.Context, products []catalog.Product) (map[string]string, error) {
	want, err := a.wanted(ctx, products)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(products))
	for i, p := range products {
		ids[i] = p.ID
	}
	hits, err := a.store.DocumentsOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	has := map[string]Hit{}
	for _, h := range hits {
		has[h.ProductID] = h
	}
	wrong := map[string]string{}
	for _, p := range products {
		hit, there := has[p.ID]
		terms, buyable := want[p.ID]
		switch {
		case !there && !buyable:
		case !there:
			wrong[p.ID] = "it can be bought, and search does not show it"
		case !buyable:
			wrong[p.ID] = "it cannot be bought, and search shows it"
		case hit.Content.Title != p.Title || hit.Content.Vendor != p.Vendor || hit.Content.Category != p.Category:
			wrong[p.ID] = fmt.Sprintf("search shows it as %q of %q in %q, it is %q of %q in %q",
				hit.Content.Title, hit.Content.Vendor, hit.Content.Category, p.Title, p.Vendor, p.Category)
		case hit.Terms.Price != terms.Price || hit.Terms.Most != terms.Most:
			wrong[p.ID] = fmt.Sprintf("search shows it for %s to %s, it costs %s to %s", money.Of(hit.Terms.Price, terms.Currency),
				money.Of(hit.Terms.Most, terms.Currency), money.Of(terms.Price, terms.Currency), money.Of(terms.Most, terms.Currency))
		case hit.Terms.InStock != terms.InStock:
			wrong[p.ID] = fmt.Sprintf("search says in stock: %t, inventory says %t", hit.Terms.InStock, terms.InStock)
		}
	}
	return wrong, nil
}

// wanted gives what the owners say of the products that can be bought.
func (a auditor) wanted(ctx context.Context, products []catalog.Product) (map[string]Terms, error) {
	var skus []string
	for _, p := range products {
		for _, v := range p.Variants {
			skus = append(skus, v.SKU)
		}
	}
	offers := map[string]Offer{}
	for part := range slices.Chunk(skus, auditSKUs) {
		prices, err := a.owners.Pricing.Prices(ctx, pricing.PricesRequest{SKUs: part})
		if err != nil {
			return nil, fmt.Errorf("read prices: %w", err)
		}
		for _, p := range prices.Items {
			offers[p.SKU] = Offer{SKU: p.SKU, Amount: &p.Price.Amount, Currency: p.Price.Currency}
		}
		levels, err := a.owners.Inventory.Levels(ctx, inventory.LevelsRequest{SKUs: part})
		if err != nil {
			return nil, fmt.Errorf("read stock: %w", err)
		}
		for _, l := range levels.Items {
			o := offers[l.SKU]
			o.Available = l.Available
			offers[l.SKU] = o
		}
	}
	want := map[string]Terms{}
	for _, p := range products {
		var of []Offer
		for _, v := range p.Variants {
			of = append(of, offers[v.SKU])
		}
		if terms, priced := termsOf(of); priced && p.Status == catalog.Published {
			want[p.ID] = terms
		}
	}
	return want, nil
}

// known reports documents of products that are not published.
func (a auditor) known(ctx context.Context, hits []Hit, report func(subject, detail string)) error {
	for _, h := range hits {
		p, err := a.owners.Catalog.Get(ctx, catalog.GetRequest{Handle: h.Content.Handle})
		if err == nil && p.ID == h.ProductID {
			if p.Status == catalog.Published {
				continue // compared by its page
			}
			if err := a.settled(ctx, []catalog.Product{p}, report); err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, catalog.ProductNotFound) {
			return fmt.Errorf("read product %s: %w", h.Content.Handle, err)
		}
		report("product "+h.Content.Handle, "search shows it, and catalog knows no such product")
	}
	return nil
}
