package carthttp

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/cartmodule"     // want
	_ "example.com/shop/modules/catalog/cataloghttp" // want
)
