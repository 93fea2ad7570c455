// Package audit describes conservation checks that can be run on a live system.
package audit

import "context"

// Finding is one violation: which rule, about what, and what was seen.
type Finding struct {
	Rule    string `json:"rule"`    // "inventory.reserved_matches_reservations"
	Subject string `json:"subject"` // "sku clay-plant-pot--large"
	Detail  string `json:"detail"`  // "reserved is 3, open reservations hold 2"
}

// Check is one rule over everything a module owns. Run streams in bounded memory,
// reports each violation, and returns how many things it looked at. What is
// merely under way (a saga that runs, an event on its way) is not a violation; what is
// left out for it is told by UnderWay.
type Check struct {
	Rule string // dotted, stable
	Says string // one sentence: what must hold
	Run  func(ctx context.Context, report func(subject, detail string)) (examined int, err error)
}
