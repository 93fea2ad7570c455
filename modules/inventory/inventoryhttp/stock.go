// Package inventoryhttp is inventory's HTTP API, written against its contract only.
package inventoryhttp

import (
	"context"
	"net/http"
	"strings"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Deps is what the handlers call.
type Deps struct {
	Inventory inventory.Service
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/stock/{sku}", Access: web.Public,
		Summary: "How many of a SKU there are",
		Codes:   []string{inventory.StockNotFound.Name()},
	}, d.get)
	web.Handle(r, web.Route{
		Method: http.MethodPut, Path: "/stock/{sku}", Access: web.Staff,
		Summary: "Set how many of a SKU there are",
		Codes:   []string{inventory.InvalidStock.Name()},
		Example: `{"on_hand": 100}`,
	}, d.put)
}

type stockInput struct {
	SKU string `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
}

func (d Deps) get(ctx context.Context, in stockInput) (web.Reply[inventory.Level], error) {
	return d.level(ctx, in.SKU)
}

type putInput struct {
	SKU  string  `path:"sku" minLength:"1" maxLength:"200" example:"fiddle-leaf-fig--small"`
	Body putBody `body:""`
}

type putBody struct {
	OnHand int64 `json:"on_hand" minimum:"0" maximum:"1000000000" doc:"Pieces on hand; not below what is reserved."`
}

func (d Deps) put(ctx context.Context, in putInput) (web.Reply[inventory.Level], error) {
	_, err := d.Inventory.SetOnHand(ctx, inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: in.SKU, OnHand: in.Body.OnHand}}})
	if err != nil {
		return web.Reply[inventory.Level]{}, ofBody(err)
	}
	return d.level(ctx, in.SKU)
}

// ofBody makes pointers into the command's one level point into the body.
func ofBody(err error) error {
	f := fault.From(err)
	for i := range f.Fields {
		f.Fields[i].Pointer = strings.TrimPrefix(f.Fields[i].Pointer, "/levels/0")
	}
	return f
}

func (d Deps) level(ctx context.Context, sku string) (web.Reply[inventory.Level], error) {
	reply, err := d.Inventory.Levels(ctx, inventory.LevelsRequest{SKUs: []string{sku}})
	if err != nil {
		return web.Reply[inventory.Level]{}, err
	}
	if len(reply.Items) == 0 {
		return web.Reply[inventory.Level]{}, inventory.StockNotFound.Errorf("no stock was ever set for %s", sku)
	}
	return web.OK(reply.Items[0]), nil
}
