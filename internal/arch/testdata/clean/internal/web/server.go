package web

import (
	_ "github.com/labstack/echo/v4"
)
