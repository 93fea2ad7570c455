package migrations

import (
	_ "example.com/shop/internal/database"
	_ "example.com/shop/modules/orders" // want
)
