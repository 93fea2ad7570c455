package paymentsmodule

import (
	_ "example.com/shop/modules/payments/sandbox" // want
)
