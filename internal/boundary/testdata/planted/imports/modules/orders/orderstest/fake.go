// Package orderstest is a kit for tests.
package orderstest

import "example.com/shop/modules/catalog/internal/core" // want imports "imports modules/catalog/internal/core"

var _ = core.Secret
