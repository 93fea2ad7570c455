package ordersmodule

import (
	"example.com/shop/internal/database"
	"example.com/shop/modules/catalog"
	"example.com/shop/modules/orders/internal/client"
	"example.com/shop/modules/orders/internal/core"
	"example.com/shop/modules/orders/internal/ledger"
	"example.com/shop/modules/orders/internal/notify"
	"example.com/shop/modules/orders/internal/store"
)

type Planted struct {
	DB      *database.DB
	Archive *database.DB
	Catalog catalog.Service
}

func NewPlanted(d Planted) *core.Planted {
	return &core.Planted{
		Store: store.New(d.DB), Ledger: ledger.New(d.Archive), First: d.DB, Second: d.Archive,
		Titles: d.Catalog, Provider: client.New(), Mail: notify.New(d.Catalog),
	}
}
