// Command app joins the modules.
package main

import (
	"context"

	"example.com/shop/internal/database"
	"example.com/shop/modules/orders/ordersmodule"
	"example.com/shop/modules/payments/paymentsmodule"
)

func main() {
	cluster := &database.Cluster{}
	orders, _ := cluster.Module(context.Background(), "orders")
	payments, _ := cluster.Module(context.Background(), "payments")
	_ = ordersmodule.New(ordersmodule.Deps{DB: orders})
	_ = paymentsmodule.New(paymentsmodule.Deps{DB: payments})
}
