package store_test

import (
	_ "example.com/shop/migrations"
)
