package pricing

import "github.com/banyan-tree/banyan/internal/event"

// Topic of the events about the price of one SKU; the aggregate is the SKU.
const Topic = "pricing.price"

// Changed is published when a SKU's price changes.
var Changed = event.Define[Price](Topic, "pricing.price_changed")

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{Changed}
}
