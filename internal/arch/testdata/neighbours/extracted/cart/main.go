package main

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/cartmodule"
	_ "example.com/shop/modules/catalog"
	_ "example.com/shop/modules/catalog/catalogmodule" // want
)
