package core

import (
	_ "example.com/shop/internal/clock"
	_ "example.com/shop/modules/cart"
	_ "example.com/shop/modules/catalog"
	"time"
)

// Cart was last touched by a clock that was given.
type Cart struct{ Touched time.Time }
