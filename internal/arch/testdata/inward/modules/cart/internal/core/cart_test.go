package core_test

import (
	_ "example.com/shop/modules/cart/internal/store"
)
