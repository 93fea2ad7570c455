package event

import (
	_ "example.com/shop/cmd/app/importer" // want
	_ "example.com/shop/internal/database"
	_ "example.com/shop/modules/orders" // want
)
