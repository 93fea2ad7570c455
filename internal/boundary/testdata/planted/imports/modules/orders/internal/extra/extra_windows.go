//go:build windows && never

// Package extra is built for nobody.
package extra

import "example.com/shop/modules/catalog/internal/core" // want imports "imports modules/catalog/internal/core"

var _ = core.Secret
