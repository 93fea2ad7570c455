package arch

import (
	"strings"
)

// A library lives in rooms: elsewhere nobody may know it.
type library struct {
	name     string
	prefixes []string
	rooms    []string // none: nowhere
	why      string
}

// libraries is the table behind the rule "rooms".
var libraries = []library{
	{"gorm", []string{"gorm.io/", "modernc.org/sqlite"},
		[]string{"internal/database", "internal/event", "internal/eventstore", "internal/saga", "internal/idempotency", "modules/*/internal/store", "modules/payments/sandbox"},
		"rows are the affair of the stores"},
	{"echo", []string{"github.com/labstack/echo", "github.com/labstack/gommon"},
		[]string{"internal/web"},
		"version 4 ends on 2026-12-31, so moving on must touch one room"},
	{"amqp091", []string{"github.com/rabbitmq/amqp091-go"},
		[]string{"internal/rabbit"},
		"a module must not know how its messages travel"},
	{"the container of tests", []string{"github.com/testcontainers/"},
		[]string{"internal/testenv"},
		"one shared environment per run"},
	{"a dependency container", []string{"go.uber.org/fx", "go.uber.org/dig", "github.com/google/wire", "github.com/samber/do"},
		nil, "plain constructors: the Deps struct is the list of dependencies"},
	{"a second assertion style", []string{"github.com/stretchr/testify/assert", "github.com/stretchr/testify/mock", "github.com/stretchr/testify/suite"},
		nil, "require only, and fakes that pass the conformance suite"},
}

// impure is what a core may not know, besides the libraries with rooms.
var impure = []string{"net/http", "database/sql", "internal/database", "internal/web"}

func libraryRules() []Rule {
	return []Rule{
		{
			Name:   "rooms",
			Says:   "gorm lives in the stores and the kit's table owners, echo in internal/web, amqp091 in internal/rabbit; testify's assert, mock and suite and any dependency container nowhere.",
			Remedy: "use the kit package of that room, or move the code into the room",
			check:  checkRooms,
		},
		{
			Name:   "core-pure",
			Says:   "A core imports no gorm, echo, amqp091, net/http or database/sql, and no kit package that hands them out.",
			Remedy: "declare what the core needs as a small interface; implement it in internal/store or a client package",
			check:  checkCorePure,
		},
	}
}

func checkRooms(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.Go {
		for _, spec := range s.AST.Imports {
			p := importPath(spec)
			for _, lib := range libraries {
				if hasPrefix(p, lib.prefixes) && !within(s.Dir, lib.rooms...) {
					found(s.at(spec), "%s imports %s, which is %s: %s", s.Dir, p, lib.name, lib.why)
				}
			}
		}
	}
}

func checkCorePure(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.Go {
		if s.Room.Kind != Core || s.Test {
			continue
		}
		for _, spec := range s.AST.Imports {
			p := importPath(spec)
			bad := hasPrefix(p, impure)
			if dir, ok := t.local(p); ok {
				bad = within(dir, impure...)
			}
			for _, lib := range libraries {
				bad = bad || hasPrefix(p, lib.prefixes)
			}
			if bad {
				found(s.at(spec), "the core of %s imports %s", s.Room.Context, p)
			}
		}
	}
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
