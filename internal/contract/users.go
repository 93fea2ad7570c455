package contract

import (
	"slices"

	"github.com/banyan-tree/banyan/internal/boundary"
)

// Users knows who uses what of which module, as the graph of the modules says.
type Users struct {
	bySubject map[string][]string // "payments.authorize" without underscores, "payments.captured"
	byModule  map[string][]string
}

// UsersOf reads the graph. A module's own HTTP handlers are no consumers of its
// contract: they are built with it.
func UsersOf(g boundary.Graph) Users {
	u := Users{bySubject: map[string][]string{}, byModule: map[string][]string{}}
	add := func(m map[string][]string, key, who string) {
		if !slices.Contains(m[key], who) {
			m[key] = append(m[key], who)
			slices.Sort(m[key])
		}
	}
	for _, c := range g.Calls {
		who := c.From
		if c.Edge {
			who += " (HTTP handlers)"
		}
		for _, method := range c.Methods {
			add(u.bySubject, c.To+"."+plain(method), who)
			add(u.byModule, c.To, who)
		}
	}
	for _, e := range g.Events {
		for _, kind := range e.Types {
			add(u.bySubject, kind, e.To)
			add(u.byModule, e.From, e.To)
		}
	}
	return u
}

func (u Users) of(subject string) []string {
	users := u.bySubject[subject]
	if users == nil {
		users = u.bySubject[plain(subject)]
	}
	return append([]string{}, users...)
}

func (u Users) ofModule(name string) []string { return append([]string{}, u.byModule[name]...) }
