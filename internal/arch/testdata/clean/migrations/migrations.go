package migrations

import (
	_ "embed"
	_ "example.com/shop/internal/database"
)
