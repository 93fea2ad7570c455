package ordershttp

import "example.com/shop/modules/orders/internal/core" // want imports "imports modules/orders/internal/core"

var _ core.Service
