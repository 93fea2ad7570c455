package client

import (
	_ "example.com/shop/modules/cart/internal/core"
	_ "example.com/shop/modules/cart/internal/store" // want
)
