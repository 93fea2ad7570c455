package cart

import (
	_ "context"
	_ "example.com/shop/internal/database" // want
	_ "example.com/shop/internal/money"
	_ "example.com/shop/internal/port"
	_ "example.com/shop/modules/catalog" // want
	_ "github.com/google/uuid"           // want
	_ "net/http"
)
