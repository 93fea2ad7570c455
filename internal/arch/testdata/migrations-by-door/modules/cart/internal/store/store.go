package store

import (
	_ "example.com/shop/migrations" // want
)
