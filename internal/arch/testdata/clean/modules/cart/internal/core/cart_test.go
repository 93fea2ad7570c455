package core_test

import (
	_ "example.com/shop/modules/cart/internal/store"
	_ "example.com/shop/modules/catalog/catalogtest"
	_ "github.com/stretchr/testify/require"
	_ "net/http/httptest"
)
