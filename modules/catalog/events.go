package catalog

import "github.com/banyan-tree/banyan/internal/event"

// Topic of the events about one product; the aggregate is the product's id.
const Topic = "catalog.product"

// ProductChanged carries the whole product as it now is.
type ProductChanged struct {
	Product Product `json:"product"`
}

// WasChanged is published at each change of a product, its status included.
var WasChanged = event.Define[ProductChanged](Topic, "catalog.product_changed")

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{WasChanged}
}
