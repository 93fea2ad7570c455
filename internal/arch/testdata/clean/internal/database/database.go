package database

import (
	_ "database/sql"
	_ "gorm.io/gorm"
)
