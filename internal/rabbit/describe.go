package rabbit

import "slices"

// Listener is a module that listens to events.
type Listener struct {
	Module string
	Topics []string
}

// Describe gives what stands on a broker when these modules answer calls, publish
// and listen. It is made by the functions that declare it.
func Describe(answering []string, sources []Source, listeners []Listener) Topology {
	all := Topology{Exchange: EventsExchange}
	for _, m := range answering {
		all.Queues = append(all.Queues, callTopology(m).Queues...)
	}
	for _, s := range sources {
		all.Queues = append(all.Queues, logTopology(s).Queues...)
	}
	for _, l := range listeners {
		all.Queues = append(all.Queues, eventTopology(l.Module, slices.Sorted(slices.Values(l.Topics))).Queues...)
	}
	return all
}
