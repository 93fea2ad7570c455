package cartmodule

import (
	_ "example.com/shop/modules/cart/internal/client"
	_ "example.com/shop/modules/cart/internal/core"
	_ "example.com/shop/modules/cart/internal/store"
)
