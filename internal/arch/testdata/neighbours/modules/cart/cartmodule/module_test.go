package cartmodule_test

import (
	_ "example.com/shop/modules/cart/cartmodule"
	_ "example.com/shop/modules/catalog/catalogmodule" // want
)
