package main

import (
	"context"

	"example.com/shop/internal/database"
	"example.com/shop/modules/catalog"
)

type all struct {
	databases map[string]*database.DB
	catalog   catalog.Service
}

func (a *all) move(ctx context.Context) error {
	return a.databases["orders"].Atomic(ctx, func(ctx context.Context) error {
		if _, err := a.catalog.Find(ctx, catalog.FindRequest{}); err != nil { // want transactions "catalog.Service.Find"
			return err
		}
		return a.databases["payments"].Atomic(ctx, func(ctx context.Context) error { return nil }) // want transactions "another database"
	})
}

func copyTo(ctx context.Context, cluster *database.Cluster) error {
	orders, _ := cluster.Module(ctx, "orders")
	payments, _ := cluster.Module(ctx, "payments")
	return orders.Atomic(ctx, func(ctx context.Context) error {
		return payments.Conn(ctx).Error // want transactions "another database"
	})
}
