package arch

import (
	"path"
	"strings"
)

// Room is what a folder is for. Its place in the tree says it.
type Room struct {
	Context string // the bounded context; empty outside modules/
	Kind    Kind
}

// Kind tells the rooms of a module apart.
type Kind string

// The rooms of a module, by the folder below modules/<ctx>.
const (
	Contract Kind = "contract" // modules/<ctx>
	Handlers Kind = "http"     // <ctx>http
	Kit      Kind = "test"     // <ctx>test
	Door     Kind = "module"   // <ctx>module
	Core     Kind = "core"     // internal/core
	Store    Kind = "store"    // internal/store
	Inner    Kind = "inner"    // anything else in internal/
	Foreign  Kind = "foreign"  // any other folder: a foreign company, such as payments/sandbox
)

// RoomOf names the room of a folder, given relative to the root.
func RoomOf(dir string) Room { return roomOf(dir) }

// roomOf names the room of a folder, given relative to the root.
func roomOf(dir string) Room {
	parts := strings.Split(dir, "/")
	if parts[0] != "modules" || len(parts) < 2 {
		return Room{}
	}
	ctx := parts[1]
	if len(parts) == 2 {
		return Room{ctx, Contract}
	}
	switch parts[2] {
	case ctx + "http":
		return Room{ctx, Handlers}
	case ctx + "test":
		return Room{ctx, Kit}
	case ctx + "module":
		return Room{ctx, Door}
	case "internal":
		if len(parts) > 3 && parts[3] == "core" {
			return Room{ctx, Core}
		}
		if len(parts) > 3 && parts[3] == "store" {
			return Room{ctx, Store}
		}
		return Room{ctx, Inner}
	}
	return Room{ctx, Foreign}
}

// ownerOf names the folder whose code owns the tables made by the SQL in dir:
// migrations/cart belongs to modules/cart, and any other migrations folder to
// the folder it lies in.
func ownerOf(dir string) string {
	if ctx, ok := strings.CutPrefix(dir, "migrations/"); ok {
		return "modules/" + strings.Split(ctx, "/")[0]
	}
	before, _, _ := strings.Cut(dir+"/", "/migrations/")
	return before
}

// within tells whether dir is one of the folders, or below one. A star stands
// for one folder name, or a part of it.
func within(dir string, folders ...string) bool {
	have := strings.Split(dir, "/")
	for _, folder := range folders {
		want := strings.Split(folder, "/")
		if len(have) < len(want) {
			continue
		}
		if ok, err := path.Match(folder, strings.Join(have[:len(want)], "/")); err == nil && ok {
			return true
		}
	}
	return false
}

// Testing tells whether a file is there for tests only: a test, a conformance
// kit, or the test environment.
func (s *Source) Testing() bool { return s.testing() }

// testing tells whether a file is there for tests only: a test, a conformance
// kit, or the test environment. The benchmark counts as one: it is no part of the
// shop, makes its own tables, and nobody can import it.
func (s *Source) testing() bool {
	return s.Test || s.Room.Kind == Kit || within(s.Dir, "internal/testenv", "internal/*/*test", "cmd/app/bench")
}

// local gives an import as a folder of the tree.
func (t *Tree) local(importPath string) (dir string, ok bool) {
	return strings.CutPrefix(importPath, t.Module+"/")
}
