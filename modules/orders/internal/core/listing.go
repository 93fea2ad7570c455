package core

import (
	"context"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/orders"
)

// Get implements orders.Service.
func (s *Service) Get(ctx context.Context, req orders.GetRequest) (orders.Order, error) {
	order, err := s.store.Get(ctx, req.OrderID)
	if err != nil {
		return orders.Order{}, err
	}
	if !port.PrincipalFrom(ctx).MayActFor(order.UserID) {
		return orders.Order{}, notFound(req.OrderID)
	}
	return order.Order, nil
}

// List implements orders.Service.
func (s *Service) List(ctx context.Context, req orders.ListRequest) (orders.OrderList, error) {
	who := port.PrincipalFrom(ctx)
	switch {
	case req.UserID == "" && !who.Has(port.RoleStaff):
		return orders.OrderList{}, fault.Forbidden.Errorf("only staff may see everybody's orders")
	case req.UserID != "" && !who.MayActFor(req.UserID):
		return orders.OrderList{}, fault.Forbidden.Errorf("these orders are somebody else's")
	case req.Limit < 1 || req.Limit > 100:
		return orders.OrderList{}, orders.InvalidOrder.Errorf("a page has 1 to 100 orders").
			WithField("query/limit", "must be between 1 and 100")
	}
	found, err := s.store.List(ctx, req.UserID, req.After, req.Limit+1)
	if err != nil {
		return orders.OrderList{}, err
	}
	page := orders.OrderList{Items: make([]orders.Order, 0, min(len(found), req.Limit))}
	for _, o := range found[:min(len(found), req.Limit)] {
		page.Items = append(page.Items, o.Order)
	}
	if len(found) > req.Limit {
		page.Next = page.Items[req.Limit-1].ID
	}
	return page, nil
}

// NotFound is what Get and Lock answer for an order that is not there.
func NotFound(id string) error { return notFound(id) }

func notFound(id string) error {
	return orders.OrderNotFound.Errorf("there is no order %q", id)
}
