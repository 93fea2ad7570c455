package cart

import (
	_ "context"
	_ "example.com/shop/internal/money"
)
