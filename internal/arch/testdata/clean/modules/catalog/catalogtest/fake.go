package catalogtest

import (
	_ "example.com/shop/modules/catalog"
	_ "github.com/stretchr/testify/require"
)
