package core

import (
	_ "example.com/shop/modules/catalog"
	_ "example.com/shop/modules/catalog/catalogmodule" // want
	_ "example.com/shop/modules/catalog/catalogtest"   // want
	_ "example.com/shop/modules/catalog/internal/core" // want
)
