package arch

import (
	"path"
	"slices"
	"strings"
)

// maxLines is where a file becomes a room without walls.
const maxLines = 500

// scatter are folder names that say nothing about what is inside.
var scatter = []string{"common", "util", "utils", "helper", "helpers", "model", "models", "types", "interfaces", "misc", "shared", "base", "lib", "pkg"}

func nameRules() []Rule {
	return []Rule{
		{
			Name:   "package-names",
			Says:   "A package is named as its folder, and no two importable packages share a name, so no import needs an alias.",
			Remedy: "rename the package: <ctx>http, not http",
			check:  checkPackageNames,
		},
		{
			Name:   "folder-names",
			Says:   "No folder is named common, util, helpers, models, types, interfaces or the like, and none lies deeper than four folders.",
			Remedy: "name it after the noun of the domain, or put the code where it is used",
			check:  checkFolderNames,
		},
		{
			Name:   "file-length",
			Says:   "A file of Go or SQL has at most 500 lines.",
			Remedy: "split it by the nouns it speaks of",
			check: func(t *Tree, found func(Place, string, ...any)) {
				for _, s := range t.Go {
					if s.Lines > maxLines {
						found(Place{s.Path, s.Lines}, "%d lines", s.Lines)
					}
				}
				for _, s := range t.SQL {
					if s.Lines > maxLines {
						found(Place{s.Path, s.Lines}, "%d lines", s.Lines)
					}
				}
			},
		},
	}
}

func checkPackageNames(t *Tree, found func(Place, string, ...any)) {
	owner := map[string]string{} // package name → its folder
	for _, s := range t.Go {
		name := s.AST.Name.Name
		if s.Test {
			name = strings.TrimSuffix(name, "_test")
		}
		if name == "main" {
			continue
		}
		if name != path.Base(s.Dir) {
			found(s.at(s.AST.Name), "package %s in the folder %s", name, s.Dir)
			continue
		}
		if strings.HasPrefix(s.Dir, "modules/") && strings.Contains(s.Dir+"/", "/internal/") {
			continue // every module has its core and its store; nobody sees two of them
		}
		if first, taken := owner[name]; taken && first != s.Dir {
			found(s.at(s.AST.Name), "package %s is also the name of %s", name, first)
			continue
		}
		owner[name] = s.Dir
	}
}

func checkFolderNames(t *Tree, found func(Place, string, ...any)) {
	told := map[string]bool{}
	look := func(file string) {
		dir := path.Dir(file)
		if told[dir] {
			return
		}
		told[dir] = true
		parts := strings.Split(dir, "/")
		for _, part := range parts {
			if slices.Contains(scatter, part) {
				found(Place{file, 1}, "folder %s: %q says nothing about what is inside", dir, part)
			}
		}
		if len(parts) > 4 {
			found(Place{file, 1}, "folder %s lies %d deep", dir, len(parts))
		}
	}
	for _, s := range t.Go {
		look(s.Path)
	}
	for _, s := range t.SQL {
		look(s.Path)
	}
}
