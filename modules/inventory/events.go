package inventory

import "github.com/banyan-tree/banyan/internal/event"

// Topic of the events about the stock of one SKU; the aggregate is the SKU.
const Topic = "inventory.level"

// Changed is published at each change of a SKU's level.
var Changed = event.Define[Level](Topic, "inventory.level_changed")

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{Changed}
}
