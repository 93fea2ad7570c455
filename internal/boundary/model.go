package boundary

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"unicode"

	"github.com/banyan-tree/banyan/internal/sqltables"
)

// judgeModel judges the table of a row type that is given to gorm. A name that a
// module's own TableName gives is judged there.
func (s *surveyor) judgeModel(owner string, call *ast.CallExpr, arg ast.Expr) {
	t := s.info.TypeOf(arg)
	if t == nil {
		return
	}
	for _, m := range s.models(t, 0) {
		if m.method != nil && ownerDir(folderOf(s.place(m.decl).File)) == owner {
			continue
		}
		for _, u := range sqltables.From(m.table) {
			s.judge(owner, s.place(call.Args[0]), u)
		}
	}
}

// model is a table that a row type stands for.
type model struct {
	table  string
	method *types.Func // that says so; nil where the name follows from the type's
	decl   *ast.FuncDecl
}

// models gives the tables of a row type and of the row types in its fields,
// which gorm knows as associations.
func (s *surveyor) models(t types.Type, depth int) []model {
	for {
		switch u := t.(type) {
		case *types.Pointer:
			t = u.Elem()
			continue
		case *types.Slice:
			t = u.Elem()
			continue
		case *types.Array:
			t = u.Elem()
			continue
		case *types.Alias:
			t = types.Unalias(u)
			continue
		}
		break
	}
	named, ok := t.(*types.Named)
	if !ok || depth > 3 {
		return nil
	}
	fields, ok := named.Underlying().(*types.Struct)
	if !ok || named.Obj().Pkg() == nil || s.units[named.Obj().Pkg()] == "" {
		return nil
	}
	var list []model
	if tables, fn := s.tableNames(named); fn != nil {
		for _, table := range tables {
			list = append(list, model{table, fn, s.decls[fn]})
		}
	} else if depth == 0 {
		list = append(list, model{table: conventional(named.Obj().Name())})
	}
	for f := range fields.Fields() {
		if f.Embedded() {
			continue
		}
		elem := f.Type()
		if s, ok := elem.(*types.Slice); ok {
			elem = s.Elem()
		}
		if inner, ok := deref(elem).(*types.Named); ok && inner != named {
			if _, fn := s.tableNames(inner); fn != nil {
				list = append(list, s.models(inner, depth+1)...)
			}
		}
	}
	return list
}

// tableNames asks a type's method TableName, its own or one that an embedded
// type brings along.
func (s *surveyor) tableNames(named *types.Named) ([]string, *types.Func) {
	obj, _, _ := types.LookupFieldOrMethod(types.NewPointer(named), true, named.Obj().Pkg(), "TableName")
	fn, ok := obj.(*types.Func)
	if !ok {
		return nil, nil
	}
	decl := s.decls[fn.Origin()]
	if decl == nil {
		return nil, nil
	}
	var all []string
	for _, e := range s.flow.returned[decl] {
		all = append(all, s.texts.of(e)...)
	}
	return all, fn.Origin()
}

// conventional is the table that gorm takes for a type which names none:
// OrderLine is kept in order_lines.
func conventional(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	snake := b.String()
	switch {
	case strings.HasSuffix(snake, "y") && !slices.ContainsFunc([]string{"ay", "ey", "oy", "uy"}, func(end string) bool { return strings.HasSuffix(snake, end) }):
		return strings.TrimSuffix(snake, "y") + "ies"
	case slices.ContainsFunc([]string{"s", "x", "ch", "sh"}, func(end string) bool { return strings.HasSuffix(snake, end) }):
		return snake + "es"
	}
	return snake + "s"
}

// readKitTables learns which sets of the kit's tables each module has a copy of:
// its door hands them out beside its own.
func (s *surveyor) readKitTables() {
	for _, dir := range s.dirs() {
		unit := unitOf(dir)
		if unit == kit || unit == assembly {
			continue
		}
		for _, src := range s.files[dir] {
			for _, d := range src.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Migrations" && fn.Body != nil {
					s.readSets(unit, fn)
				}
			}
		}
	}
}

func (s *surveyor) readSets(unit string, fn *ast.FuncDecl) {
	m := s.module(unit)
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		set := s.callee(call)
		decl := s.decls[set]
		if decl == nil || unitOf(folderOf(s.place(decl).File)) != kit {
			return true
		}
		folder := folderOf(s.place(decl).File) + "/migrations"
		part := ""
		ast.Inspect(decl, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && part == "" {
				part = strings.Trim(lit.Value, "`\"")
			}
			return true
		})
		for _, script := range s.tree.SQL {
			dir := folderOf(script.Path)
			if dir != folder && dir != folder+"/"+part {
				continue
			}
			for _, u := range sqltables.In(script.Text) {
				if u.Creates && !slices.Contains(m.KitTables, u.Name) {
					m.KitTables = append(m.KitTables, u.Name)
				}
			}
		}
		return true
	})
}
