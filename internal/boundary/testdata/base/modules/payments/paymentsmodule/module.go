// Package paymentsmodule is a door.
package paymentsmodule

import (
	"example.com/shop/internal/database"
	"example.com/shop/internal/event"
	"example.com/shop/modules/payments/internal/store"
)

type Deps struct{ DB *database.DB }

func New(d Deps) *store.Store { return store.New(d.DB) }

func Migrations() []database.Migrations {
	return []database.Migrations{event.OutboxMigrations()}
}
