package catalogtest

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// NotInFake are the parts of Exercise that the Fake does not keep: it takes
// products as they are given.
var NotInFake = []string{"bad products", "HTML is sanitised", "import is idempotent"}

// Fake is a catalog in memory. Safe for concurrent use.
type Fake struct {
	// Broken, unless nil, is asked before each call: its error is the answer.
	// It must be set before the Fake is used.
	Broken func(method string) error

	mu       sync.Mutex
	products []catalog.Product // oldest first
}

var _ catalog.Service = (*Fake)(nil)

// NewFake makes an empty catalog.
func NewFake() *Fake { return &Fake{} }

func (f *Fake) enter(ctx context.Context, method string, staff bool) (leave func(), err error) {
	if f.Broken != nil {
		if err := f.Broken(method); err != nil {
			return nil, err
		}
	}
	if staff && !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return nil, fault.Forbidden.Errorf("only staff may change products")
	}
	f.mu.Lock()
	return f.mu.Unlock, nil
}

func (f *Fake) find(handle string) *catalog.Product {
	for i := range f.products {
		if f.products[i].Handle == handle {
			return &f.products[i]
		}
	}
	return nil
}

// free tells whether no other product sells the SKUs.
func (f *Fake) free(in catalog.ProductInput) error {
	for _, p := range f.products {
		for _, v := range p.Variants {
			if p.Handle != in.Handle && slices.ContainsFunc(in.Variants, func(w catalog.Variant) bool { return w.SKU == v.SKU }) {
				return catalog.SKUTaken.Errorf("SKU %s belongs to another product", v.SKU)
			}
		}
	}
	return nil
}

func fill(p catalog.Product, in catalog.ProductInput) catalog.Product {
	p.Handle, p.Title, p.DescriptionHTML, p.Vendor, p.Category = in.Handle, in.Title, in.DescriptionHTML, in.Vendor, in.Category
	p.Tags, p.Images, p.Variants = copied(in.Tags), copied(in.Images), copied(in.Variants)
	for i := range p.Variants {
		p.Variants[i].Options = copied(p.Variants[i].Options)
	}
	return p
}

// copied copies a list; none becomes an empty one, as a catalog answers.
func copied[T any](in []T) []T { return append([]T{}, in...) }

func (f *Fake) add(in catalog.ProductInput, status string) catalog.Product {
	now := time.Now().UTC().Truncate(time.Microsecond)
	p := fill(catalog.Product{ID: id.V7(), Status: status, Version: 1, CreatedAt: now, UpdatedAt: now}, in)
	f.products = append(f.products, p)
	return p
}

// Create implements catalog.Service.
func (f *Fake) Create(ctx context.Context, req catalog.CreateRequest) (catalog.Product, error) {
	leave, err := f.enter(ctx, "create", true)
	if err != nil {
		return catalog.Product{}, err
	}
	defer leave()
	if f.find(req.Product.Handle) != nil {
		return catalog.Product{}, catalog.HandleTaken.Errorf("there is a product %s already", req.Product.Handle)
	}
	if err := f.free(req.Product); err != nil {
		return catalog.Product{}, err
	}
	return f.add(req.Product, catalog.Draft), nil
}

// change applies fn to a product, and counts a version where it differs then.
func (f *Fake) change(ctx context.Context, method, handle string, fn func(catalog.Product) (catalog.Product, error)) (catalog.Product, error) {
	leave, err := f.enter(ctx, method, true)
	if err != nil {
		return catalog.Product{}, err
	}
	defer leave()
	p := f.find(handle)
	if p == nil {
		return catalog.Product{}, catalog.ProductNotFound.Errorf("there is no product %q", handle)
	}
	after, err := fn(*p)
	if err != nil {
		return catalog.Product{}, err
	}
	if !reflect.DeepEqual(after, *p) {
		after.Version++
		*p = after
	}
	return *p, nil
}

// Update implements catalog.Service.
func (f *Fake) Update(ctx context.Context, req catalog.UpdateRequest) (catalog.Product, error) {
	if in := req.Product.Handle; in != "" && in != req.Handle && port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return catalog.Product{}, catalog.InvalidProduct.Errorf("a handle never changes")
	}
	req.Product.Handle = req.Handle
	return f.change(ctx, "update", req.Handle, func(p catalog.Product) (catalog.Product, error) {
		if req.Version != 0 && req.Version != p.Version {
			return p, catalog.VersionMismatch.Errorf("it is version %d", p.Version)
		}
		return fill(p, req.Product), f.free(req.Product)
	})
}

// Publish implements catalog.Service.
func (f *Fake) Publish(ctx context.Context, req catalog.TransitionRequest) (catalog.Product, error) {
	return f.transit(ctx, "publish", req, catalog.Published)
}

// Archive implements catalog.Service.
func (f *Fake) Archive(ctx context.Context, req catalog.TransitionRequest) (catalog.Product, error) {
	return f.transit(ctx, "archive", req, catalog.Archived)
}

func (f *Fake) transit(ctx context.Context, method string, req catalog.TransitionRequest, to string) (catalog.Product, error) {
	return f.change(ctx, method, req.Handle, func(p catalog.Product) (catalog.Product, error) {
		switch {
		case p.Status == to && req.Version == p.Version-1:
			return p, nil
		case req.Version != 0 && req.Version != p.Version:
			return p, catalog.VersionMismatch.Errorf("it is version %d", p.Version)
		case !forward(p.Status, to):
			return p, catalog.InvalidStatus.Errorf("it is %s", p.Status)
		}
		p.Status = to
		return p, nil
	})
}

func forward(from, to string) bool {
	order := []string{catalog.Draft, catalog.Published, catalog.Archived}
	return slices.Index(order, from) <= slices.Index(order, to)
}

// Import implements catalog.Service.
func (f *Fake) Import(ctx context.Context, req catalog.ImportRequest) (catalog.ImportReply, error) {
	leave, err := f.enter(ctx, "import", true)
	if err != nil {
		return catalog.ImportReply{}, err
	}
	defer leave()
	if len(req.Products) > 500 {
		return catalog.ImportReply{}, fault.Invalid.Errorf("at most 500 products")
	}
	seen := map[string]bool{}
	reply := catalog.ImportReply{Results: []catalog.ImportResult{}}
	for _, in := range req.Products {
		outcome, reason := f.bring(in, seen)
		seen[in.Product.Handle] = true
		reply.Results = append(reply.Results, catalog.ImportResult{Handle: in.Product.Handle, Outcome: outcome, Reason: reason})
	}
	return reply, nil
}

func (f *Fake) bring(in catalog.ImportProduct, seen map[string]bool) (outcome, reason string) {
	p := f.find(in.Product.Handle)
	switch {
	case seen[in.Product.Handle]:
		return catalog.Refused, "the handle comes twice"
	case in.Product.Title == "" || in.Product.Handle == "" || len(in.Product.Variants) == 0:
		return catalog.Refused, "handle, title or variants are missing"
	case !slices.Contains([]string{catalog.Draft, catalog.Published, catalog.Archived}, in.Status):
		return catalog.Refused, "there is no such status"
	case p != nil && !forward(p.Status, in.Status):
		return catalog.Refused, "it is " + p.Status
	case f.free(in.Product) != nil:
		return catalog.Refused, "a SKU belongs to another product"
	case p == nil:
		f.add(in.Product, in.Status)
		return catalog.Created, ""
	}
	after := fill(*p, in.Product)
	after.Status = in.Status
	if reflect.DeepEqual(after, *p) {
		return catalog.Unchanged, ""
	}
	after.Version++
	*p = after
	return catalog.Changed, ""
}

// Get implements catalog.Service.
func (f *Fake) Get(ctx context.Context, req catalog.GetRequest) (catalog.Product, error) {
	leave, err := f.enter(ctx, "get", false)
	if err != nil {
		return catalog.Product{}, err
	}
	defer leave()
	p := f.find(req.Handle)
	if p == nil || p.Status != catalog.Published && !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return catalog.Product{}, catalog.ProductNotFound.Errorf("there is no product %q", req.Handle)
	}
	return *p, nil
}

// List implements catalog.Service. Its cursor is a place in the list.
func (f *Fake) List(ctx context.Context, req catalog.ListRequest) (catalog.ProductList, error) {
	status := cmp.Or(req.Status, catalog.Published)
	leave, err := f.enter(ctx, "list", status != catalog.Published)
	if err != nil {
		return catalog.ProductList{}, err
	}
	defer leave()
	at, err := strconv.Atoi(cmp.Or(req.After, "0"))
	if err != nil || req.Limit < 1 || req.Limit > 100 || !slices.Contains([]string{catalog.Draft, catalog.Published, catalog.Archived}, status) {
		return catalog.ProductList{}, fault.Invalid.Errorf("limit, cursor or status is wrong").WithField("query", "is wrong")
	}
	list := catalog.ProductList{Items: []catalog.Product{}}
	for _, p := range slices.Backward(f.products) {
		if p.Status != status || req.Category != "" && p.Category != req.Category ||
			req.Vendor != "" && p.Vendor != req.Vendor || req.Tag != "" && !slices.Contains(p.Tags, req.Tag) {
			continue
		}
		list.Items = append(list.Items, p)
	}
	list.Items = list.Items[min(at, len(list.Items)):]
	if len(list.Items) > req.Limit {
		list.Items, list.Next = list.Items[:req.Limit], strconv.Itoa(at+req.Limit)
	}
	return list, nil
}

// Variants implements catalog.Service.
func (f *Fake) Variants(ctx context.Context, req catalog.VariantsRequest) (catalog.VariantsReply, error) {
	leave, err := f.enter(ctx, "variants", false)
	if err != nil {
		return catalog.VariantsReply{}, err
	}
	defer leave()
	if len(req.SKUs) > 500 {
		return catalog.VariantsReply{}, fault.Invalid.Errorf("at most 500 SKUs")
	}
	reply := catalog.VariantsReply{Items: []catalog.SoldVariant{}}
	for _, sku := range req.SKUs {
		for _, p := range f.products {
			for _, v := range p.Variants {
				if p.Status == catalog.Published && v.SKU == sku {
					reply.Items = append(reply.Items, catalog.SoldVariant{
						SKU: sku, Handle: p.Handle, ProductTitle: p.Title, VariantTitle: v.Title, WeightGrams: v.WeightGrams,
					})
				}
			}
		}
	}
	return reply, nil
}
