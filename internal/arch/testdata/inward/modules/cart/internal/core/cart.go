package core

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/internal/core/rule"
	_ "example.com/shop/modules/cart/internal/store" // want
	_ "example.com/shop/modules/catalog"
)
