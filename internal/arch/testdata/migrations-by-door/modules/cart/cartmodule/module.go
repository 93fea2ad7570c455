package cartmodule

import (
	_ "example.com/shop/migrations"
)
