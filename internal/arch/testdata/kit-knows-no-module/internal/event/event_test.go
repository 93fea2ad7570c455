package event_test

import (
	_ "example.com/shop/modules/orders/orderstest" // want
)
