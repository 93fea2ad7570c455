package contract

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Set is the documents of many modules, by name.
type Set map[string]*Document

// Compare tells what changed between the recorded contracts and the present
// ones, the worst first. Users says who is hit.
func Compare(recorded, present Set, users Users) []Change {
	c := &comparison{users: users, changes: []Change{}}
	for _, name := range keysOf(recorded, present) {
		was, is := recorded[name], present[name]
		c.module = name
		switch {
		case is == nil:
			c.add(Change{Rule: moduleRemoved, Subject: name})
		case was == nil:
			c.add(Change{Rule: moduleAdded, Subject: name})
		default:
			c.was, c.is = was, is
			c.codes()
			c.methods()
			c.events()
		}
	}
	sortChanges(c.changes)
	return c.changes
}

func keysOf[V any](a, b map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{a, b} {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
	}))
}

type comparison struct {
	users   Users
	module  string
	was, is *Document
	changes []Change
}

func (c *comparison) add(change Change) {
	change.Module = c.module
	switch {
	case change.Subject == c.module || slices.Contains(slices.Collect(maps.Keys(c.codesOfBoth())), change.Subject):
		change.Consumers = c.users.ofModule(c.module)
	default:
		change.Consumers = c.users.of(change.Subject)
	}
	c.changes = append(c.changes, change)
}

func (c *comparison) codesOfBoth() map[string]string {
	both := map[string]string{}
	for _, d := range []*Document{c.was, c.is} {
		if d != nil {
			maps.Copy(both, d.Codes)
		}
	}
	return both
}

// codes compares those that no method names, and the kinds of all. What a method
// loses or gains is told with the method.
func (c *comparison) codes() {
	named := map[string]bool{}
	for _, d := range []*Document{c.was, c.is} {
		for _, m := range d.Methods {
			for _, code := range m.Codes {
				named[code] = true
			}
		}
	}
	for _, code := range keysOf(c.was.Codes, c.is.Codes) {
		was, before := c.was.Codes[code]
		is, after := c.is.Codes[code]
		switch {
		case before && after && was != is:
			c.add(Change{Rule: codeKind, Subject: code, Was: was, Is: is})
		case before && !after && !named[code]:
			c.add(Change{Rule: codeRemoved, Subject: code, Was: was})
		case !before && !named[code]:
			c.add(Change{Rule: codeAdded, Subject: code, Is: is})
		}
	}
}

func (c *comparison) methods() {
	was, is := map[string]*Method{}, map[string]*Method{}
	for i := range c.was.Methods {
		was[c.was.Methods[i].Name] = &c.was.Methods[i]
	}
	for i := range c.is.Methods {
		is[c.is.Methods[i].Name] = &c.is.Methods[i]
	}
	for _, name := range keysOf(was, is) {
		switch {
		case is[name] == nil:
			c.add(Change{Rule: methodRemoved, Subject: name})
		case was[name] == nil:
			c.add(Change{Rule: methodAdded, Subject: name})
		default:
			c.method(was[name], is[name])
		}
	}
}

func (c *comparison) method(was, is *Method) {
	tell := func(r Rule, before, after string) { c.add(Change{Rule: r, Subject: is.Name, Was: before, Is: after}) }
	if was.Kind != is.Kind {
		tell(methodKind, was.Kind, is.Kind)
	}
	if was.Version != is.Version {
		tell(methodVersion, number(was.Version), number(is.Version))
	}
	switch {
	case was.Keyed && !is.Keyed && is.Kind == "command":
		tell(keyRemoved, "", "")
	case !was.Keyed && is.Keyed:
		tell(keyAdded, "", "")
	}
	if before, after := duration(was.Deadline), duration(is.Deadline); after < before {
		tell(deadlineShort, was.Deadline, is.Deadline)
	} else if after > before {
		tell(deadlineLong, was.Deadline, is.Deadline)
	}
	for _, code := range was.Codes {
		if !slices.Contains(is.Codes, code) {
			tell(codeRemoved, code, "")
		}
	}
	for _, code := range is.Codes {
		if !slices.Contains(was.Codes, code) {
			tell(codeAdded, "", code)
		}
	}
	c.part(is.Name, "request", was.Request, is.Request)
	c.part(is.Name, "reply", was.Reply, is.Reply)
}

// duration of a deadline; none is longer than any.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text) // we wrote it; what was edited counts as none
	if d == 0 {
		return 1<<63 - 1
	}
	return d
}

func (c *comparison) events() {
	was, is := map[string]*Event{}, map[string]*Event{}
	for i := range c.was.Events {
		was[c.was.Events[i].Name] = &c.was.Events[i]
	}
	for i := range c.is.Events {
		is[c.is.Events[i].Name] = &c.is.Events[i]
	}
	for _, name := range keysOf(was, is) {
		switch {
		case is[name] == nil:
			c.add(Change{Rule: eventRemoved, Subject: name})
		case was[name] == nil:
			c.add(Change{Rule: eventAdded, Subject: name})
		default:
			if was[name].Topic != is[name].Topic {
				c.add(Change{Rule: eventTopic, Subject: name, Was: was[name].Topic, Is: is[name].Topic})
			}
			c.part(name, "data", was[name].Data, is[name].Data)
		}
	}
}

func (c *comparison) part(subject, part string, was, is *Schema) {
	f := &fields{comparison: c, subject: subject, part: part, under: map[[2]*Schema]bool{}}
	f.compare(was, is, "", strings.ToUpper(part[:1])+part[1:])
}
