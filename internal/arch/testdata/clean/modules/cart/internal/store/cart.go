package store

import (
	_ "example.com/shop/internal/database"
	_ "example.com/shop/modules/cart/internal/core"
	_ "gorm.io/gorm"
)

const find = "SELECT id FROM carts WHERE id = ?"

func open(db interface{ Where(string, ...any) }, id string) { db.Where("id = ?", id) }
