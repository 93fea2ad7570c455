package sandbox

import (
	_ "example.com/shop/internal/database"
	_ "gorm.io/gorm"
	_ "net/http"
)
