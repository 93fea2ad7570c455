package main

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/cartmodule" // want
)
