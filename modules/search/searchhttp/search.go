// Package searchhttp is search's HTTP API, written against its contract only.
package searchhttp

import (
	"context"
	"net/http"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/search"
)

// Deps is what the handlers call.
type Deps struct {
	Search search.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/search", Access: web.Public,
		Summary: "What can be bought, by text, facets, price and stock",
		Codes:   []string{search.Invalid.Name()},
	}, d.find)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/search/suggestions", Access: web.Public,
		Summary: "What somebody who types this may mean",
		Codes:   []string{search.Invalid.Name()},
	}, d.suggest)
}

type findInput struct {
	Text     string `query:"q" doc:"Words; all must be there, whole or as a beginning. Nothing in it is an operator." example:"clay pot"`
	Category string `query:"category" maxLength:"255"`
	Vendor   string `query:"vendor" maxLength:"255"`
	MinPrice *int64 `query:"min_price" minimum:"0" doc:"Minor units; of the lowest price of a product."`
	MaxPrice *int64 `query:"max_price" minimum:"0" doc:"Minor units."`
	InStock  *bool  `query:"in_stock"`
	Sort     string `query:"sort" enum:"relevance,price,-price,newest" default:"relevance"`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor   string `query:"cursor" maxLength:"1024" doc:"next_cursor of the page before."`
}

// found is a page with what is said of all pages.
type found struct {
	Items       []search.Item       `json:"items"`
	Facets      search.Facets       `json:"facets"`
	Total       int64               `json:"total" doc:"Of all pages."`
	Corrections []search.Correction `json:"corrections" doc:"Words that are in no product, and what stood for them."`
	NextCursor  *string             `json:"next_cursor" doc:"null: this is the last page."`
}

func (d Deps) find(ctx context.Context, in findInput) (web.Reply[found], error) {
	r, err := d.Search.Find(ctx, search.FindRequest{
		Text: in.Text, Category: in.Category, Vendor: in.Vendor, MinPrice: in.MinPrice, MaxPrice: in.MaxPrice,
		InStock: in.InStock, Sort: in.Sort, Limit: in.Limit, After: in.Cursor,
	})
	if err != nil {
		return web.Reply[found]{}, err
	}
	page := found{Items: r.Items, Facets: r.Facets, Total: r.Total, Corrections: r.Corrections}
	if r.Next != "" {
		page.NextCursor = &r.Next
	}
	return web.OK(page), nil
}

type suggestInput struct {
	Text  string `query:"q" required:"true" doc:"What was typed so far." example:"cla"`
	Limit int    `query:"limit" minimum:"1" maximum:"20" default:"8"`
}

func (d Deps) suggest(ctx context.Context, in suggestInput) (web.Reply[search.Suggestions], error) {
	s, err := d.Search.Suggest(ctx, search.SuggestRequest{Text: in.Text, Limit: in.Limit})
	return web.OK(s), err
}
