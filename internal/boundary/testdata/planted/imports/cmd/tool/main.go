// Command tool joins what only cmd/app may.
package main

import "example.com/shop/modules/orders/ordersmodule" // want imports "imports modules/orders/ordersmodule"

func main() { _ = ordersmodule.New }
