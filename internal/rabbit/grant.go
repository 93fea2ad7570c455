package rabbit

import (
	"regexp"
	"slices"
	"strings"
)

// Grant is what a user of the broker may do with whatever has a name that these
// regular expressions match: make and delete it; send to it; take from it.
type Grant struct {
	Configure, Write, Read string
	// Topics bounds what goes to EventsExchange and what is taken from it.
	Topics struct{ Write, Read string }
}

// nothing matches no name.
const nothing = "^$"

// defaultExchange is the name of the nameless exchange in permissions. Calls and
// replies go by it.
const defaultExchange = "amq.default"

// GrantTo gives what the user of a module needs, read off what the module needs on
// the broker: its own queues, the streams of those it listens to, and to publish
// what happened in it. It does not need the exchange to be its own: the exchange
// is made together with the users.
func GrantTo(module string, t Topology) Grant {
	var own, streams, topics []string
	for _, q := range t.Queues {
		if q.Owner != module {
			continue
		}
		own = append(own, q.Name)
		topics = append(topics, q.Bindings...)
		if q.Name == EventQueue(module) {
			for _, m := range sourcesOf(q.Bindings) {
				streams = append(streams, LogQueue(m))
			}
		}
	}
	g := Grant{
		Configure: names(own...),
		Write:     names(append(own, defaultExchange, EventsExchange)...),
		Read:      names(append(append(own, EventsExchange), streams...)...),
	}
	// Who catches up leaves a mark in the streams of others, which only streams take.
	g.Topics.Write = `^(` + regexp.QuoteMeta(module) + `\..+|[^.]+\.` + regexp.QuoteMeta(markType) + `)$`
	g.Topics.Read = names(topics...)
	return g
}

// GrantToCaller gives what a user needs who only calls modules.
func GrantToCaller() Grant {
	g := Grant{Configure: nothing, Write: names(defaultExchange), Read: nothing}
	g.Topics.Write, g.Topics.Read = nothing, nothing
	return g
}

// names is an expression that matches these and no others.
func names(list ...string) string {
	if len(list) == 0 {
		return nothing
	}
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	for i, n := range list {
		list[i] = regexp.QuoteMeta(n)
	}
	return "^(" + strings.Join(list, "|") + ")$"
}
