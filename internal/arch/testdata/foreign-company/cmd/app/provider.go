package main

import (
	_ "example.com/shop/modules/payments/sandbox"
)
