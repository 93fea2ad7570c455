package main

import (
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/cart/carthttp"
	_ "example.com/shop/modules/cart/cartmodule"
	_ "example.com/shop/modules/payments/sandbox"
	"os"
)

var home = os.Getenv("BANYAN_DATA_DIR")
