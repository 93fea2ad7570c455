package database

import (
	_ "github.com/testcontainers/testcontainers-go" // want
	_ "gorm.io/gorm"
	_ "modernc.org/sqlite"
)
