// Package ordersmodule is a door.
package ordersmodule

import (
	"example.com/shop/internal/database"
	"example.com/shop/internal/event"
	"example.com/shop/internal/saga"
	"example.com/shop/modules/catalog"
	"example.com/shop/modules/orders/internal/core"
	"example.com/shop/modules/orders/internal/store"
	"example.com/shop/modules/payments"
)

type Deps struct {
	DB       *database.DB
	Catalog  catalog.Service
	Payments payments.Service
}

func New(d Deps) *core.Service {
	s := &core.Service{
		Store: store.New(d.DB), Events: event.NewOutbox(d.DB), Sagas: saga.NewEngine(d.DB),
		Catalog: d.Catalog, Payments: d.Payments,
	}
	s.Follow(event.NewConsumer(d.DB))
	return s
}
