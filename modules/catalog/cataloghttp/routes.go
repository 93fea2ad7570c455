package cataloghttp

import (
	"context"
	"net/http"
	"net/url"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Deps is what the handlers call.
type Deps struct {
	Catalog   catalog.Service
	Pricing   pricing.Service
	Inventory inventory.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/products", Access: web.Public, Personal: true,
		Summary: "Products, newest first; staff may ask for those that are not published.",
	}, d.list)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/products/{handle}", Access: web.Public, Personal: true,
		Summary: "A product with the price and stock of each variant; its version is the ETag.",
		Codes:   []string{catalog.ProductNotFound.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/products", Access: web.Staff, Statuses: []int{http.StatusCreated},
		Summary: "Make a draft.",
		Codes:   []string{catalog.HandleTaken.Name(), catalog.SKUTaken.Name(), catalog.InvalidProduct.Name()},
		Example: `{
			"handle": "fern", "title": "Fern", "description_html": "<p>Likes shade.</p>", "vendor": "Banyan", "category": "Plants", "tags": ["indoor"],
			"images": [{"src": "https://example.com/fern.png", "alt": "A fern"}],
			"variants": [{"sku": "fern--small", "options": [{"name": "Size", "value": "Small"}], "weight_grams": 400}]
		}`,
	}, d.create)
	web.Handle(r, web.Route{
		Method: http.MethodPut, Path: "/products/{handle}", Access: web.Staff,
		Summary: "Replace a product; with If-Match only the version that you have seen.",
		Codes:   []string{catalog.ProductNotFound.Name(), catalog.VersionMismatch.Name(), catalog.SKUTaken.Name(), catalog.InvalidProduct.Name()},
	}, d.update)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/products/{handle}/publish", Access: web.Staff,
		Summary: "Make a product visible to customers.",
		Codes:   []string{catalog.ProductNotFound.Name(), catalog.VersionMismatch.Name(), catalog.InvalidStatus.Name()},
	}, d.publish)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/products/{handle}/archive", Access: web.Staff,
		Summary: "Hide a product for good.",
		Codes:   []string{catalog.ProductNotFound.Name(), catalog.VersionMismatch.Name()},
	}, d.archive)
}

type listInput struct {
	Category string `query:"category" maxLength:"255"`
	Vendor   string `query:"vendor" maxLength:"255"`
	Tag      string `query:"tag" maxLength:"255"`
	Status   string `query:"status" enum:"draft,published,archived" default:"published" doc:"Other than published: for staff."`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor   string `query:"cursor" maxLength:"1024" doc:"next_cursor of the page before."`
}

func (d Deps) list(ctx context.Context, in listInput) (web.Reply[web.Page[product]], error) {
	if in.Status != catalog.Published && port.PrincipalFrom(ctx).Anonymous() {
		return web.Reply[web.Page[product]]{}, fault.Unauthenticated.Errorf("log in as staff to see products that are not published")
	}
	found, err := d.Catalog.List(ctx, catalog.ListRequest{
		Category: in.Category, Vendor: in.Vendor, Tag: in.Tag, Status: in.Status, Limit: in.Limit, After: in.Cursor,
	})
	if err != nil {
		return web.Reply[web.Page[product]]{}, err
	}
	page := web.Page[product]{Items: d.present(ctx, found.Items...)}
	if found.Next != "" {
		page.NextCursor = &found.Next
	}
	return web.OK(page), nil
}

type getInput struct {
	Handle string `path:"handle" minLength:"1" maxLength:"255" example:"fiddle-leaf-fig"`
}

func (d Deps) get(ctx context.Context, in getInput) (web.Reply[product], error) {
	p, err := d.Catalog.Get(ctx, catalog.GetRequest(in))
	return d.reply(ctx, p, err)
}

type createInput struct {
	Body input `body:""`
}

func (d Deps) create(ctx context.Context, in createInput) (web.Reply[product], error) {
	p, err := d.Catalog.Create(ctx, catalog.CreateRequest{Product: in.Body.contract()})
	r, err := d.reply(ctx, p, err)
	if err != nil {
		return r, err
	}
	return web.Created("/api/v1/products/"+url.PathEscape(p.Handle), r.Body).With("ETag", web.ETag(p.Version)), nil
}

type updateInput struct {
	Handle  string `path:"handle" minLength:"1" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag of what you have seen."`
	Body    input  `body:""`
}

func (d Deps) update(ctx context.Context, in updateInput) (web.Reply[product], error) {
	version, err := wanted(in.IfMatch)
	if err != nil {
		return web.Reply[product]{}, err
	}
	p, err := d.Catalog.Update(ctx, catalog.UpdateRequest{Handle: in.Handle, Product: in.Body.contract(), Version: version})
	return d.reply(ctx, p, err)
}

type transitionInput struct {
	Handle  string `path:"handle" minLength:"1" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag of what you have seen."`
}

func (d Deps) publish(ctx context.Context, in transitionInput) (web.Reply[product], error) {
	return d.transit(ctx, in, d.Catalog.Publish)
}

func (d Deps) archive(ctx context.Context, in transitionInput) (web.Reply[product], error) {
	return d.transit(ctx, in, d.Catalog.Archive)
}

func (d Deps) transit(ctx context.Context, in transitionInput, do func(context.Context, catalog.TransitionRequest) (catalog.Product, error)) (web.Reply[product], error) {
	version, err := wanted(in.IfMatch)
	if err != nil {
		return web.Reply[product]{}, err
	}
	p, err := do(ctx, catalog.TransitionRequest{Handle: in.Handle, Version: version})
	return d.reply(ctx, p, err)
}

// reply answers with the product as it now is.
func (d Deps) reply(ctx context.Context, p catalog.Product, err error) (web.Reply[product], error) {
	if err != nil {
		return web.Reply[product]{}, err
	}
	return web.OK(d.present(ctx, p)[0]).With("ETag", web.ETag(p.Version)), nil
}

// noVersion is what no product ever has.
const noVersion = -1

// wanted reads If-Match into the contract's form, in which 0 is any version.
func wanted(ifMatch string) (int64, error) {
	if ifMatch == "" {
		return 0, nil
	}
	version, err := web.ParseETag(ifMatch)
	switch {
	case err != nil:
		return 0, err
	case version == web.AnyVersion:
		return 0, nil
	case version == 0:
		return noVersion, nil
	}
	return version, nil
}
