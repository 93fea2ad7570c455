package main

import (
	"context"

	"example.com/shop/internal/database"
)

func report(ctx context.Context, db *database.DB) {
	db.Conn(ctx).Raw("SELECT 1 FROM orders JOIN orders.order_lines l ON true") // want SQL "belongs to modules/orders"
}
