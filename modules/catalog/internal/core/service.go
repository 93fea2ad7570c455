package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// Service is the catalog.
type Service struct {
	store  Store
	events Publisher
	now    clock.Clock
	newID  id.Source
}

var _ catalog.Service = (*Service)(nil)

// NewService makes the catalog that keeps its products in store.
func NewService(store Store, events Publisher, now clock.Clock, newID id.Source) *Service {
	return &Service{store: store, events: events, now: now, newID: newID}
}

// attempts bounds how often a change is looked at again because a handle or SKU
// was taken by somebody else in between. The second look sees who has it.
const attempts = 5

// change runs fn in a transaction, again when what it looked up was no longer so.
func (s *Service) change(ctx context.Context, fn func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := s.store.Atomic(ctx, fn)
		if !errors.Is(err, ErrTaken) {
			return err
		}
		if attempt == attempts {
			return fault.Unavailable.Wrap(err, "others change the same products, try again")
		}
	}
}

// Create makes a draft.
func (s *Service) Create(ctx context.Context, req catalog.CreateRequest) (catalog.Product, error) {
	if err := staffOnly(ctx); err != nil {
		return catalog.Product{}, err
	}
	in, err := clean(req.Product)
	if err != nil {
		return catalog.Product{}, err
	}
	var made catalog.Product
	err = s.change(ctx, func(ctx context.Context) error {
		there, err := s.store.Lock(ctx, []string{in.Handle})
		if err != nil {
			return err
		}
		if len(there) > 0 {
			return catalog.HandleTaken.Errorf("there is a product %s already", in.Handle)
		}
		made = s.draft(in)
		if err := s.free(ctx, made); err != nil {
			return err
		}
		if err := s.store.Insert(ctx, []catalog.Product{made}); err != nil {
			return err
		}
		return s.announce(ctx, made)
	})
	if err != nil {
		return catalog.Product{}, fmt.Errorf("create product: %w", err)
	}
	return made, nil
}

// Update replaces a product. The same content again is no change.
func (s *Service) Update(ctx context.Context, req catalog.UpdateRequest) (catalog.Product, error) {
	if req.Product.Handle == "" {
		req.Product.Handle = req.Handle
	}
	in, err := clean(req.Product)
	if err == nil && in.Handle != req.Handle {
		err = catalog.InvalidProduct.Errorf("the handle of %s cannot change", req.Handle).
			WithField("/handle", "differs from the product's: a handle never changes")
	}
	if err != nil {
		if forbidden := staffOnly(ctx); forbidden != nil {
			err = forbidden
		}
		return catalog.Product{}, err
	}
	return s.alter(ctx, req.Handle, func(ctx context.Context, p catalog.Product) (catalog.Product, error) {
		if err := expect(p, req.Version); err != nil || says(p, in) {
			return p, err
		}
		p = with(p, in)
		return p, s.free(ctx, p)
	})
}

// Publish makes a product visible.
func (s *Service) Publish(ctx context.Context, req catalog.TransitionRequest) (catalog.Product, error) {
	return s.transit(ctx, req, catalog.Published)
}

// Archive hides a product for good.
func (s *Service) Archive(ctx context.Context, req catalog.TransitionRequest) (catalog.Product, error) {
	return s.transit(ctx, req, catalog.Archived)
}

func (s *Service) transit(ctx context.Context, req catalog.TransitionRequest, to string) (catalog.Product, error) {
	return s.alter(ctx, req.Handle, func(_ context.Context, p catalog.Product) (catalog.Product, error) {
		if p.Status == to && req.Version == p.Version-1 {
			return p, nil // the reply to this very request was lost
		}
		if err := expect(p, req.Version); err != nil {
			return p, err
		}
		if err := move(p.Handle, p.Status, to); err != nil {
			return p, err
		}
		p.Status = to
		return p, nil
	})
}

// alter changes one product by fn, for staff. A product that fn gives back as it
// was is no change.
func (s *Service) alter(ctx context.Context, handle string, fn func(context.Context, catalog.Product) (catalog.Product, error)) (catalog.Product, error) {
	if err := staffOnly(ctx); err != nil {
		return catalog.Product{}, err
	}
	if !handleForm.MatchString(handle) {
		return catalog.Product{}, notFound(handle)
	}
	var out catalog.Product
	err := s.change(ctx, func(ctx context.Context) error {
		there, err := s.store.Lock(ctx, []string{handle})
		if err != nil {
			return err
		}
		if len(there) == 0 {
			return notFound(handle)
		}
		before := there[0]
		if out, err = fn(ctx, before); err != nil {
			return err
		}
		if out.Status == before.Status && says(before, content(out)) {
			return nil
		}
		out.Version, out.UpdatedAt = before.Version+1, s.now()
		if err := s.store.Replace(ctx, []catalog.Product{out}); err != nil {
			return err
		}
		return s.announce(ctx, out)
	})
	if err != nil {
		return catalog.Product{}, fmt.Errorf("change product: %w", err)
	}
	return out, nil
}

func (s *Service) draft(in catalog.ProductInput) catalog.Product {
	now := s.now()
	return with(catalog.Product{ID: s.newID(), Status: catalog.Draft, Version: 1, CreatedAt: now, UpdatedAt: now}, in)
}

// free tells whether nobody else sells p's SKUs. Codes: SKUTaken.
func (s *Service) free(ctx context.Context, p catalog.Product) error {
	owners, err := s.store.Owners(ctx, skusOf(content(p)))
	if err != nil {
		return err
	}
	for i, v := range p.Variants {
		if owner, ok := owners[v.SKU]; ok && owner != p.ID {
			return catalog.SKUTaken.Errorf("SKU %s belongs to another product", v.SKU).
				WithField(fmt.Sprintf("/variants/%d/sku", i), "belongs to another product")
		}
	}
	return nil
}

// announce publishes the products as they now are.
func (s *Service) announce(ctx context.Context, products ...catalog.Product) error {
	events := make([]event.Event, len(products))
	for i, p := range products {
		events[i] = catalog.WasChanged.New(p.ID, p.Version, catalog.ProductChanged{Product: p})
	}
	return s.events.Publish(ctx, events...)
}

// expect refuses when the caller saw another version. Codes: VersionMismatch.
func expect(p catalog.Product, version int64) error {
	if version != 0 && version != p.Version {
		return catalog.VersionMismatch.Errorf("%s is version %d by now: read it again and repeat your change on it", p.Handle, p.Version)
	}
	return nil
}

func staffOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("only staff may change products")
	}
	return nil
}

func notFound(handle string) error {
	return catalog.ProductNotFound.Errorf("there is no product %q", handle)
}
