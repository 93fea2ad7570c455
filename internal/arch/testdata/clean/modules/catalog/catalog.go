package catalog

import (
	_ "context"
	_ "example.com/shop/internal/event"
	_ "example.com/shop/internal/fault"
	_ "example.com/shop/internal/port"
)
