package cart_test

import (
	_ "example.com/shop/internal/port/porttest"
	_ "github.com/stretchr/testify/require"
)
