package carthttp

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/internal/core" // want
)
