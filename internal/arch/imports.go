package arch

import (
	"slices"
	"strings"
)

func importRules() []Rule {
	return []Rule{
		{
			Name:   "neighbours",
			Says:   "Of another module only the contract package modules/<ctx> is importable; tests may also use its kit <ctx>test; cmd/app alone opens the doors <ctx>module and <ctx>http, and extracted/<ctx> its own.",
			Remedy: "call the neighbour's contract, or subscribe to its event; join modules in cmd/app",
			check:  checkNeighbours,
		},
		{
			Name:   "contract-leaf",
			Says:   "A contract imports the standard library and internal/{port,fault,money,event}, nothing else.",
			Remedy: "put value types of your own into the contract; rules go to internal/core",
			check:  checkContractLeaf,
		},
		{
			Name:   "inward",
			Says:   "Inside a module imports point inwards: store and clients know the core, the core knows only contracts; handlers and test kits know only contracts.",
			Remedy: "let the inner package declare a small interface and the outer one implement it; join them in <ctx>module",
			check:  checkInward,
		},
		{
			Name:   "foreign-company",
			Says:   "A folder of a module that plays a foreign company imports nothing of any module, and only cmd/app and tests import it.",
			Remedy: "speak to it over HTTP, as to the real one",
			check:  checkForeign,
		},
		{
			Name:   "kit-knows-no-module",
			Says:   "internal/ and migrations/ import nothing of modules/ or cmd/.",
			Remedy: "hand the business part in as a value, or move the code into the module it speaks of",
			check:  checkKit,
		},
		{
			Name:   "migrations-by-door",
			Says:   "The SQL of a module is handed out by its <ctx>module; only tests take it elsewhere.",
			Remedy: "use <ctx>module.Migrations()",
			check:  checkMigrations,
		},
	}
}

// eachImport calls f for the imports that stay inside the tree.
func (t *Tree) eachImport(f func(s *Source, at Place, to string, room Room)) {
	for _, s := range t.Go {
		for _, spec := range s.AST.Imports {
			if to, ok := t.local(importPath(spec)); ok {
				f(s, s.at(spec), to, roomOf(to))
			}
		}
	}
}

func checkNeighbours(t *Tree, found func(Place, string, ...any)) {
	t.eachImport(func(s *Source, at Place, to string, room Room) {
		same := room.Context == s.Room.Context
		switch {
		case room.Context == "" || room.Kind == Contract || room.Kind == Foreign:
			return
		case room.Kind == Kit && s.testing():
			return
		case room.Kind == Door || room.Kind == Handlers:
			if within(s.Dir, "cmd/app", "extracted/"+room.Context) || same && s.Test {
				return
			}
		case same:
			return
		}
		found(at, "%s imports %s", s.Dir, to)
	})
}

func checkContractLeaf(t *Tree, found func(Place, string, ...any)) {
	allowed := []string{"internal/port", "internal/fault", "internal/money", "internal/event"}
	for _, s := range t.Go {
		if s.Room.Kind != Contract || s.Test {
			continue
		}
		for _, spec := range s.AST.Imports {
			p := importPath(spec)
			dir, local := t.local(p)
			first, _, _ := strings.Cut(p, "/")
			if local && slices.Contains(allowed, dir) || !local && !strings.Contains(first, ".") {
				continue // the standard library has no dot in its first part
			}
			found(s.at(spec), "the contract of %s imports %s", s.Room.Context, p)
		}
	}
}

// inner lists, for each room, which rooms of the same module it may import.
var inner = map[Kind][]Kind{
	Contract: {},
	Core:     {Contract},
	Store:    {Contract, Core},
	Inner:    {Contract, Core},
	Handlers: {Contract},
	Kit:      {Contract},
	Door:     {Contract, Core, Store, Inner},
}

func checkInward(t *Tree, found func(Place, string, ...any)) {
	t.eachImport(func(s *Source, at Place, to string, room Room) {
		allowed, known := inner[s.Room.Kind]
		if s.Test || !known || room.Context != s.Room.Context || to == s.Dir || room.Kind == Foreign {
			return
		}
		if room.Kind == s.Room.Kind && within(to, s.Dir) { // a part of the same room
			return
		}
		if !slices.Contains(allowed, room.Kind) {
			found(at, "%s imports %s", s.Dir, to)
		}
	})
}

func checkForeign(t *Tree, found func(Place, string, ...any)) {
	t.eachImport(func(s *Source, at Place, to string, room Room) {
		switch {
		case s.Room.Kind == Foreign && !s.Test && room.Context != "" && !within(to, s.Dir):
			found(at, "%s plays a foreign company and imports %s", s.Dir, to)
		case room.Kind == Foreign && s.Room.Kind != Foreign && !s.testing() && !within(s.Dir, "cmd/app"):
			found(at, "%s imports %s, which plays a foreign company", s.Dir, to)
		}
	})
}

func checkKit(t *Tree, found func(Place, string, ...any)) {
	t.eachImport(func(s *Source, at Place, to string, room Room) {
		if within(s.Dir, "internal", "migrations") && (room.Context != "" || within(to, "cmd")) {
			found(at, "%s imports %s", s.Dir, to)
		}
	})
}

func checkMigrations(t *Tree, found func(Place, string, ...any)) {
	t.eachImport(func(s *Source, at Place, to string, _ Room) {
		if within(to, "migrations") && s.Room.Kind != Door && !s.Test {
			found(at, "%s imports %s", s.Dir, to)
		}
	})
}
