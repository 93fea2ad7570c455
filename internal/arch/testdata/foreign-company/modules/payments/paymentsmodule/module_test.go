package paymentsmodule_test

import (
	_ "example.com/shop/modules/payments/sandbox"
)
