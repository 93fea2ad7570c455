package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// maxImport is how many products one call may bring in.
const maxImport = 500

// wanted is one product of an import that reads well.
type wanted struct {
	at     int // place in the request
	input  catalog.ProductInput
	status string
}

// Import creates or updates many products in one transaction.
func (s *Service) Import(ctx context.Context, req catalog.ImportRequest) (catalog.ImportReply, error) {
	if err := staffOnly(ctx); err != nil {
		return catalog.ImportReply{}, err
	}
	if n := len(req.Products); n > maxImport {
		return catalog.ImportReply{}, fault.Invalid.Errorf("%d products are too many for one call: at most %d", n, maxImport)
	}
	results := make([]catalog.ImportResult, len(req.Products))
	products := examine(req.Products, results)
	err := s.change(ctx, func(ctx context.Context) error { return s.bring(ctx, products, results) })
	if err != nil {
		return catalog.ImportReply{}, fmt.Errorf("import products: %w", err)
	}
	return catalog.ImportReply{Results: results}, nil
}

// examine gives those that could come in, and refuses the others in results.
func examine(products []catalog.ImportProduct, results []catalog.ImportResult) []wanted {
	good := make([]wanted, 0, len(products))
	seen := make(map[string]bool, len(products))
	for i, p := range products {
		results[i] = catalog.ImportResult{Handle: p.Product.Handle, Outcome: catalog.Refused}
		in, err := clean(p.Product)
		switch {
		case err != nil:
			results[i].Reason = fault.From(err).Message
		case !known(p.Status):
			results[i].Reason = fmt.Sprintf("status is %q: it may be draft, published or archived", p.Status)
		case seen[in.Handle]:
			results[i].Reason = "the handle comes twice in this import"
		default:
			seen[in.Handle] = true
			good = append(good, wanted{at: i, input: in, status: p.Status})
		}
	}
	return good
}

// bring decides about each product by what is there, and writes all at once. It
// may run again, so it sets every result anew.
func (s *Service) bring(ctx context.Context, products []wanted, results []catalog.ImportResult) error {
	if len(products) == 0 {
		return nil
	}
	handles := make([]string, len(products))
	var skus []string
	for i, w := range products {
		handles[i] = w.input.Handle
		skus = append(skus, skusOf(w.input)...)
	}
	// First the owners, then the products: whoever came in between is then a
	// product that is there, and not a stranger who has its SKUs.
	owners, err := s.store.Owners(ctx, skus)
	if err != nil {
		return err
	}
	there, err := s.store.Lock(ctx, handles)
	if err != nil {
		return err
	}
	before := make(map[string]catalog.Product, len(there))
	for _, p := range there {
		before[p.Handle] = p
	}
	var created, changed []catalog.Product
	for _, w := range products {
		p, outcome, err := s.decide(w, before[w.input.Handle], owners)
		results[w.at] = catalog.ImportResult{Handle: w.input.Handle, Outcome: outcome}
		switch outcome {
		case catalog.Refused:
			results[w.at].Reason = err.Message
		case catalog.Created:
			created = append(created, p)
		case catalog.Changed:
			changed = append(changed, p)
		}
	}
	// Changed ones first: they may give up SKUs that created ones take.
	if err := s.store.Replace(ctx, changed); err != nil {
		return err
	}
	if err := s.store.Insert(ctx, created); err != nil {
		return err
	}
	return s.announce(ctx, append(changed, created...)...)
}

// decide tells what becomes of one product, and keeps owners as they will be
// after it. before is the zero product where there is none.
func (s *Service) decide(w wanted, before catalog.Product, owners map[string]string) (catalog.Product, string, *fault.Error) {
	p, outcome := before, catalog.Changed
	if before.ID == "" {
		p, outcome = s.draft(w.input), catalog.Created
	} else if err := move(p.Handle, p.Status, w.status); err != nil {
		return p, catalog.Refused, err
	} else if p.Status == w.status && says(p, w.input) {
		return p, catalog.Unchanged, nil
	}
	for _, sku := range skusOf(w.input) {
		if owner, ok := owners[sku]; ok && owner != p.ID {
			return p, catalog.Refused, catalog.SKUTaken.Errorf("SKU %s belongs to another product", sku)
		}
	}
	for _, v := range before.Variants {
		if owners[v.SKU] == p.ID {
			delete(owners, v.SKU)
		}
	}
	for _, sku := range skusOf(w.input) {
		owners[sku] = p.ID
	}
	p = with(p, w.input)
	p.Status = w.status
	if outcome == catalog.Changed {
		p.Version, p.UpdatedAt = before.Version+1, s.now()
	}
	return p, outcome, nil
}
