package arch

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
)

func corpusRules() []Rule {
	return []Rule{{
		Name:   "corpora",
		Says:   "Each fuzz target has a corpus beside it: what a decoder must stand is tried by every test run, not only by a fuzzer.",
		Remedy: "write seeds to testdata/fuzz/<target> of the package, and commit them",
		check:  checkCorpora,
	}}
}

func checkCorpora(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.Go {
		if !s.Test {
			continue
		}
		for _, d := range s.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") || !s.takesFuzzer(fn) {
				continue
			}
			if corpus := s.Dir + "/testdata/fuzz/" + fn.Name.Name; !t.seeded(corpus) {
				found(s.at(fn), "%s has no seeds in %s", fn.Name.Name, corpus)
			}
		}
	}
}

// takesFuzzer tells whether a function has *testing.F as its one parameter.
func (s *Source) takesFuzzer(fn *ast.FuncDecl) bool {
	if fn.Type.Params.NumFields() != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	pkg, name := s.selected(star.X)
	return pkg == "testing" && name == "F"
}

// seeded tells whether a folder has a file with something in it.
func (t *Tree) seeded(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(t.root, filepath.FromSlash(dir)))
	if err != nil {
		return false // it is not there
	}
	for _, e := range entries {
		if about, err := e.Info(); err == nil && about.Mode().IsRegular() && about.Size() > 0 {
			return true
		}
	}
	return false
}
