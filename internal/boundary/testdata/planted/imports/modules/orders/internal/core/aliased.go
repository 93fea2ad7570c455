package core

import (
	rules "example.com/shop/modules/catalog/internal/core" // want imports "imports modules/catalog/internal/core"
	. "example.com/shop/modules/payments/internal/store"   // want imports "imports modules/payments/internal/store"

	_ "example.com/shop/modules/catalog/catalogmodule" // want imports "imports modules/catalog/catalogmodule"
	_ "example.com/shop/modules/payments/sandbox"      // want imports "imports modules/payments/sandbox"
)

type wide struct{ Store } // embeds a neighbour's store

var _ = rules.Secret
