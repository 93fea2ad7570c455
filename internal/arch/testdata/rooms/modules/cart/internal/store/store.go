package store

import (
	_ "github.com/labstack/echo/v4" // want
	_ "gorm.io/gorm"
	_ "gorm.io/gorm/clause"
)
