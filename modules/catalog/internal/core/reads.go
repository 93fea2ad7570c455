package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
)

const (
	maxPage = 100
	maxSKUs = 500 // of one question
)

// Get gives a product; what is not published is not there but for staff.
func (s *Service) Get(ctx context.Context, req catalog.GetRequest) (catalog.Product, error) {
	if !handleForm.MatchString(req.Handle) {
		return catalog.Product{}, notFound(req.Handle)
	}
	p, ok, err := s.store.Find(ctx, req.Handle)
	if err != nil {
		return catalog.Product{}, fmt.Errorf("get product: %w", err)
	}
	if !ok || p.Status != catalog.Published && !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return catalog.Product{}, notFound(req.Handle)
	}
	return p, nil
}

// List gives a page of products, newest first.
func (s *Service) List(ctx context.Context, req catalog.ListRequest) (catalog.ProductList, error) {
	q, err := query(ctx, req)
	if err != nil {
		return catalog.ProductList{}, err
	}
	q.Limit++ // one more, to know whether there is a next page
	items, err := s.store.List(ctx, q)
	if err != nil {
		return catalog.ProductList{}, fmt.Errorf("list products: %w", err)
	}
	page := catalog.ProductList{Items: items}
	if len(items) > req.Limit {
		page.Items = items[:req.Limit]
		last := page.Items[req.Limit-1]
		if page.Next, err = (Position{CreatedAt: last.CreatedAt, ID: last.ID}).cursor(); err != nil {
			return catalog.ProductList{}, fmt.Errorf("list products: %w", err)
		}
	}
	return page, nil
}

func query(ctx context.Context, req catalog.ListRequest) (Query, error) {
	q := Query{Category: req.Category, Vendor: req.Vendor, Tag: req.Tag, Status: req.Status, Limit: req.Limit}
	if q.Status == "" {
		q.Status = catalog.Published
	}
	switch {
	case !known(q.Status):
		return q, fault.Invalid.Errorf("there is no such status").WithField("query/status", "is none of draft, published, archived")
	case q.Status != catalog.Published && !port.PrincipalFrom(ctx).Has(port.RoleStaff):
		return q, fault.Forbidden.Errorf("only staff may see products that are not published")
	case q.Limit < 1 || q.Limit > maxPage:
		return q, fault.Invalid.Errorf("a page has 1 to %d products", maxPage).WithField("query/limit", "is not between 1 and 100")
	}
	for _, filter := range []string{q.Category, q.Vendor, q.Tag} {
		if !utf8.ValidString(filter) || strings.ContainsRune(filter, 0) {
			return q, fault.Invalid.Errorf("a filter is no UTF-8 text")
		}
	}
	if req.After != "" {
		after, err := parseCursor(req.After)
		if err != nil {
			return q, err
		}
		q.After = &after
	}
	return q, nil
}

// place is a Position as a cursor holds it.
type place struct {
	At int64  `json:"at"` // unix microseconds
	ID string `json:"id"`
}

func (p Position) cursor() (string, error) {
	return cursor.Encode(place{p.CreatedAt.UnixMicro(), p.ID})
}

func parseCursor(s string) (Position, error) {
	const farthest = 253402300799999999 // the last microsecond of the year 9999
	at, err := cursor.Decode[place](s)
	if err != nil {
		return Position{}, err
	}
	if at.At < 0 || at.At > farthest || !plain(at.ID) {
		return Position{}, cursor.Foreign()
	}
	return Position{CreatedAt: time.UnixMicro(at.At).UTC(), ID: at.ID}, nil
}

// plain tells whether s may be asked of a database as text.
func plain(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return s != ""
}

// Variants gives the published variants among the SKUs, in their order.
func (s *Service) Variants(ctx context.Context, req catalog.VariantsRequest) (catalog.VariantsReply, error) {
	if n := len(req.SKUs); n > maxSKUs {
		return catalog.VariantsReply{}, fault.Invalid.Errorf("%d SKUs are too many for one call: at most %d", n, maxSKUs)
	}
	skus := slices.DeleteFunc(slices.Clone(req.SKUs), func(sku string) bool {
		return !utf8.ValidString(sku) || strings.ContainsRune(sku, 0)
	})
	products, err := s.store.Published(ctx, skus)
	if err != nil {
		return catalog.VariantsReply{}, fmt.Errorf("look up variants: %w", err)
	}
	sold := make(map[string]catalog.SoldVariant, len(req.SKUs))
	for _, p := range products {
		for _, v := range p.Variants {
			sold[v.SKU] = catalog.SoldVariant{
				SKU: v.SKU, Handle: p.Handle, ProductTitle: p.Title, VariantTitle: v.Title, WeightGrams: v.WeightGrams,
			}
		}
	}
	reply := catalog.VariantsReply{Items: make([]catalog.SoldVariant, 0, len(req.SKUs))}
	for _, sku := range req.SKUs {
		if v, ok := sold[sku]; ok {
			reply.Items = append(reply.Items, v)
			delete(sold, sku) // asked twice, answered once
		}
	}
	return reply, nil
}
