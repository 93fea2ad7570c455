package boundary

import (
	"cmp"
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/arch"
)

// program is the source tree with the types of its own packages. Packages from
// elsewhere are known by their names only, and by the stubs that this package
// brings for the ones that matter: so neither a compiler nor a network is needed,
// and a tree that does not build is read as far as it goes.
type program struct {
	tree  *arch.Tree
	info  *types.Info
	units map[*types.Package]string      // whose code a package is
	decls map[*types.Func]*ast.FuncDecl  // what is declared in the tree
	files map[string][]*arch.Source      // of each folder, without tests
	named map[string][]*types.TypeName   // types with methods, by unit
	known map[string]*types.Package      // by import path; nil while it is read
	names map[string]map[string]external // of packages from elsewhere, by import path
	impl  map[implKey][]*types.Func
}

// external is how a name of a package from elsewhere is used.
type external int

const (
	isType external = 1 << iota
	isStruct
)

//go:embed stub/*.txt
var stubs embed.FS

// Units that are no module.
const (
	kit      = "kit"
	assembly = "cmd"
)

// unitOf names whose code a folder is: a module, a foreign company in one, the
// kit, or the programs that join them. Who has data has the same name at run time,
// where the guard of the databases tells of it: modules/payments/sandbox is sandbox.
func unitOf(dir string) string {
	room := arch.RoomOf(dir)
	switch {
	case room.Kind == arch.Foreign:
		return strings.Split(dir, "/")[2]
	case room.Context != "":
		return room.Context
	case dir == "cmd" || strings.HasPrefix(dir, "cmd/"):
		return assembly
	}
	return kit
}

func newProgram(tree *arch.Tree) (*program, error) {
	p := &program{
		tree: tree, units: map[*types.Package]string{}, decls: map[*types.Func]*ast.FuncDecl{},
		files: map[string][]*arch.Source{}, named: map[string][]*types.TypeName{},
		known: map[string]*types.Package{}, names: map[string]map[string]external{}, impl: map[implKey][]*types.Func{},
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Implicits: map[ast.Node]types.Object{},
		},
	}
	for _, s := range tree.Go {
		if s.Testing() {
			continue
		}
		p.files[s.Dir] = append(p.files[s.Dir], s)
		p.collectNames(s)
	}
	if err := p.readStubs(); err != nil {
		return nil, err
	}
	for _, dir := range p.dirs() {
		p.load(dir)
	}
	for _, obj := range p.info.Defs {
		if name, ok := obj.(*types.TypeName); ok && name.Pkg() != nil && name.Parent() == name.Pkg().Scope() && !name.IsAlias() {
			unit := p.units[name.Pkg()]
			p.named[unit] = append(p.named[unit], name)
		}
	}
	for _, list := range p.named {
		slices.SortFunc(list, func(a, b *types.TypeName) int { return cmp.Compare(a.Pos(), b.Pos()) })
	}
	return p, nil
}

// load checks the types of a folder, those that it imports first.
func (p *program) load(dir string) *types.Package {
	full := p.tree.Module + "/" + dir
	if pkg, begun := p.known[full]; begun {
		return pkg
	}
	p.known[full] = nil
	var files []*ast.File
	name := ""
	for _, s := range p.files[dir] {
		if name == "" {
			name = s.AST.Name.Name
		}
		if s.AST.Name.Name == name {
			files = append(files, s.AST)
		}
	}
	pkg := types.NewPackage(full, name)
	p.known[full] = pkg
	p.units[pkg] = unitOf(dir)
	cfg := types.Config{Importer: p, Error: func(error) {}, DisableUnusedImportCheck: true}
	_ = types.NewChecker(&cfg, p.tree.FileSet(), pkg, p.info).Files(files) // names from elsewhere are missing, and may be
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if obj, ok := p.info.Defs[fn.Name].(*types.Func); ok {
					p.decls[obj] = fn
				}
			}
		}
	}
	return pkg
}

// Import implements types.Importer.
func (p *program) Import(to string) (*types.Package, error) {
	if to == "unsafe" {
		return types.Unsafe, nil
	}
	if dir, ok := p.tree.Local(to); ok && len(p.files[dir]) > 0 {
		if pkg := p.load(dir); pkg != nil {
			return pkg, nil
		}
		return nil, fmt.Errorf("%s imports itself", to)
	}
	if pkg := p.known[to]; pkg != nil {
		return pkg, nil
	}
	base := path.Base(to)
	if strings.HasPrefix(base, "v") && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(to))
	}
	pkg := types.NewPackage(to, base)
	p.complete(pkg)
	p.known[to] = pkg
	return pkg, nil
}

// complete adds the types that the tree uses of a package from elsewhere. A
// type that is made or pointed at is a struct, any other an empty interface.
func (p *program) complete(pkg *types.Package) {
	for name, use := range p.names[pkg.Path()] {
		if use&isType == 0 || pkg.Scope().Lookup(name) != nil {
			continue
		}
		obj := types.NewTypeName(token.NoPos, pkg, name, nil)
		var under types.Type = types.NewInterfaceType(nil, nil)
		if use&isStruct != 0 {
			under = types.NewStruct(nil, nil)
		}
		types.NewNamed(obj, under, nil)
		pkg.Scope().Insert(obj)
	}
	pkg.MarkComplete()
}

// readStubs checks the stubs in the order in which they need each other.
func (p *program) readStubs() error {
	list, err := stubs.ReadDir("stub")
	if err != nil {
		return fmt.Errorf("read stubs: %w", err)
	}
	parsed := map[string]*ast.File{}
	fset := token.NewFileSet()
	for _, entry := range list {
		text, err := stubs.ReadFile("stub/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read stubs: %w", err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		f, err := parser.ParseFile(fset, entry.Name(), text, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("read stubs: %w", err)
		}
		parsed[strings.TrimPrefix(first, "// import: ")] = f
	}
	var check func(to string)
	check = func(to string) {
		f := parsed[to]
		if f == nil || p.known[to] != nil {
			return
		}
		for _, spec := range f.Imports {
			check(strings.Trim(spec.Path.Value, `"`))
		}
		pkg := types.NewPackage(to, f.Name.Name)
		cfg := types.Config{Importer: p, Error: func(error) {}, DisableUnusedImportCheck: true, IgnoreFuncBodies: true}
		_ = types.NewChecker(&cfg, fset, pkg, nil).Files([]*ast.File{f}) // functions without bodies are meant
		p.complete(pkg)
		p.known[to] = pkg
	}
	for to := range parsed {
		check(to)
	}
	return nil
}

// collectNames notes how a file uses names of packages from elsewhere.
func (p *program) collectNames(s *arch.Source) {
	imports := map[string]string{}
	for _, spec := range s.AST.Imports {
		to := strings.Trim(spec.Path.Value, "`\"")
		name := path.Base(to)
		if strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(to))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = to
	}
	mark := func(e ast.Expr, use external) {
		if star, ok := e.(*ast.StarExpr); ok {
			e, use = star.X, use|isStruct
		}
		if index, ok := e.(*ast.IndexExpr); ok {
			e = index.X
		}
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || imports[x.Name] == "" {
			return
		}
		to := imports[x.Name]
		if p.names[to] == nil {
			p.names[to] = map[string]external{}
		}
		p.names[to][sel.Sel.Name] |= use
	}
	ast.Inspect(s.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			mark(n.Type, isType)
		case *ast.ValueSpec:
			if n.Type != nil {
				mark(n.Type, isType)
			}
		case *ast.TypeSpec:
			mark(n.Type, isType)
		case *ast.CompositeLit:
			if n.Type != nil {
				mark(n.Type, isType|isStruct)
			}
		case *ast.TypeAssertExpr:
			if n.Type != nil {
				mark(n.Type, isType)
			}
		case *ast.ArrayType:
			mark(n.Elt, isType)
		case *ast.MapType:
			mark(n.Key, isType)
			mark(n.Value, isType)
		case *ast.ChanType:
			mark(n.Value, isType)
		case *ast.Ellipsis:
			if n.Elt != nil {
				mark(n.Elt, isType)
			}
		case *ast.IndexExpr:
			mark(n.Index, isType)
		case *ast.IndexListExpr:
			for _, e := range n.Indices {
				mark(e, isType)
			}
		}
		return true
	})
}

// place is where a node stands.
func (p *program) place(n ast.Node) arch.Place { return p.placeAt(n.Pos()) }

func (p *program) placeAt(pos token.Pos) arch.Place {
	at := p.tree.FileSet().Position(pos)
	return arch.Place{File: at.Filename, Line: at.Line}
}

// unitAt names whose code a position is.
func (p *program) unitAt(pos token.Pos) string {
	return unitOf(path.Dir(p.tree.FileSet().Position(pos).Filename))
}

// isKit tells whether a function or type is the kit's, by its folder below
// internal/.
func (p *program) isKit(obj types.Object, folder string) bool {
	return obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == p.tree.Module+"/internal/"+folder
}

// contractOf names the module whose contract declares obj; empty where none does.
func (p *program) contractOf(obj types.Object) string {
	if obj == nil || obj.Pkg() == nil {
		return ""
	}
	dir, ok := p.tree.Local(obj.Pkg().Path())
	if room := arch.RoomOf(dir); ok && room.Kind == arch.Contract {
		return room.Context
	}
	return ""
}
