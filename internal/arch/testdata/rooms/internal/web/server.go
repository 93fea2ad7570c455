package web

import (
	_ "github.com/labstack/echo/v4"
	_ "github.com/labstack/echo/v4/middleware"
	_ "gorm.io/gorm" // want
)
