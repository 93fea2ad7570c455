package core_test

import (
	_ "example.com/shop/modules/catalog/catalogtest"
	_ "example.com/shop/modules/catalog/internal/store" // want
)
