package web

import "example.com/shop/modules/orders" // want imports "imports modules/orders"

var _ orders.Order
