package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Tree is the source of one Go module.
type Tree struct {
	Module string // its import path
	Go     []*Source
	SQL    []*Script

	root string // its folder
	fset *token.FileSet
}

// Source is a Go file. Build constraints are not looked at: code behind a tag
// keeps the rules too.
type Source struct {
	Path  string // relative to the root, with slashes
	Dir   string
	Lines int
	Test  bool // a _test.go file
	Room  Room
	AST   *ast.File

	fset    *token.FileSet
	imports map[string]string // name in this file → import path
}

// Script is a file of SQL.
type Script struct {
	Path  string
	Lines int
	Owner string // the folder of code that owns its tables
	Text  string // without comments; offsets and lines are those of the file
}

// Load parses the tree below root. Folders named testdata, hidden ones and
// modules of their own are left out, as by the go command.
func Load(root, module string) (*Tree, error) {
	t := &Tree{Module: module, root: root, fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && skipped(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		switch path.Ext(rel) {
		case ".go":
			return t.addGo(name, rel)
		case ".sql":
			return t.addSQL(name, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the source tree %s: %w", root, err)
	}
	return t, nil
}

func skipped(name, base string) bool {
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

func (t *Tree) addGo(name, rel string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(t.fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s := &Source{
		Path: rel, Dir: path.Dir(rel), Lines: lines(text), Test: strings.HasSuffix(rel, "_test.go"),
		AST: file, fset: t.fset, imports: map[string]string{},
	}
	s.Room = roomOf(s.Dir)
	for _, spec := range file.Imports {
		to := importPath(spec)
		local := path.Base(to)
		if strings.HasPrefix(local, "v") && strings.Trim(local[1:], "0123456789") == "" {
			local = path.Base(path.Dir(to)) // example.com/lib/v2 is called lib
		}
		if spec.Name != nil {
			local = spec.Name.Name
		}
		s.imports[local] = to
	}
	t.Go = append(t.Go, s)
	return nil
}

func (t *Tree) addSQL(name, rel string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	t.SQL = append(t.SQL, &Script{Path: rel, Lines: lines(text), Owner: ownerOf(path.Dir(rel)), Text: withoutComments(string(text))})
	return nil
}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

// FileSet knows the positions of every Go file of the tree.
func (t *Tree) FileSet() *token.FileSet { return t.fset }

// Local gives an import path as a folder of the tree, where it is one.
func (t *Tree) Local(importPath string) (dir string, ok bool) { return t.local(importPath) }

// at is the place of a node.
func (s *Source) at(n ast.Node) Place {
	return Place{File: s.Path, Line: s.fset.Position(n.Pos()).Line}
}

// selected gives the import path and the name of a selector such as time.Now;
// empty when what stands before the dot is no package.
func (s *Source) selected(n ast.Node) (pkg, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return s.imports[x.Name], sel.Sel.Name
}

// inspect calls f for every node below the imports.
func (s *Source) inspect(f func(ast.Node)) {
	for _, d := range s.AST.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		ast.Inspect(d, func(n ast.Node) bool {
			if n != nil {
				f(n)
			}
			return true
		})
	}
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil { // the parser has read it as a string
		return ""
	}
	return p
}
