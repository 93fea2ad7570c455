package carthttp

import (
	_ "example.com/shop/internal/web"
	_ "example.com/shop/modules/cart"
	_ "net/http"
)
