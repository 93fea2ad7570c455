package extra

import _ "unsafe"

//go:linkname secret example.com/shop/modules/catalog/internal/core.Secret // want imports "go:linkname reaches into modules/catalog"
var secret int
