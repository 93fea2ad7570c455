package core_test

import (
	_ "example.com/shop/internal/database"
	_ "net/http/httptest"
)
