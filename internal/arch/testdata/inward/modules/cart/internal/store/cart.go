package store

import (
	_ "example.com/shop/modules/cart/internal/client" // want
	_ "example.com/shop/modules/cart/internal/core"
)
