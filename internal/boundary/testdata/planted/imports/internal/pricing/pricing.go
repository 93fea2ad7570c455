// Package pricing is kit that knows a context.
package pricing

import shop "example.com/shop/modules/catalog" // want imports "imports modules/catalog"

type Priced = shop.Product
