package cartmodule

import (
	_ "example.com/shop/internal/database"
	_ "example.com/shop/migrations"
	_ "example.com/shop/modules/cart/internal/core"
	_ "example.com/shop/modules/cart/internal/store"
	_ "example.com/shop/modules/catalog"
	_ "log/slog"
)
