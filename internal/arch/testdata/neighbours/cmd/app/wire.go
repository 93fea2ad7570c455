package main

import (
	_ "example.com/shop/modules/cart/carthttp"
	_ "example.com/shop/modules/cart/cartmodule"
)
