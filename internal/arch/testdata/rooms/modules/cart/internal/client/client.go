package client

import (
	_ "gorm.io/gorm" // want
	_ "net/http"
)
