package database

import (
	_ "github.com/glebarez/sqlite"
	_ "github.com/testcontainers/testcontainers-go" // want
	_ "gorm.io/gorm"
)
