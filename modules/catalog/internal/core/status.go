package core

import (
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// next lists the statuses a product may move on to. There is no way back: what a
// customer has seen stays seen, and an archived product stays hidden.
var next = map[string][]string{
	catalog.Draft:     {catalog.Published, catalog.Archived},
	catalog.Published: {catalog.Archived},
	catalog.Archived:  {},
}

func known(status string) bool { _, ok := next[status]; return ok }

// move tells whether a product may go from one status to another, staying included.
// Codes: InvalidStatus.
func move(handle, from, to string) *fault.Error {
	if from == to {
		return nil
	}
	for _, s := range next[from] {
		if s == to {
			return nil
		}
	}
	if from == catalog.Archived {
		return catalog.InvalidStatus.Errorf("%s is archived for good: sell it again under another handle", handle)
	}
	return catalog.InvalidStatus.Errorf("%s is %s and cannot become a %s again: archive it to hide it", handle, from, to)
}
