package sandbox

import (
	_ "example.com/shop/internal/database"
	_ "example.com/shop/modules/payments"               // want
	_ "example.com/shop/modules/payments/internal/core" // want
	_ "net/http"
)
