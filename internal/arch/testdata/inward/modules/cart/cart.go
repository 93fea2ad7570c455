package cart

import (
	_ "example.com/shop/modules/cart/internal/core" // want
)
