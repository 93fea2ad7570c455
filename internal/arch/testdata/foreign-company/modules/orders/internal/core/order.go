package core

import (
	_ "example.com/shop/modules/payments"
	_ "example.com/shop/modules/payments/sandbox" // want
)
