package arch

import (
	"go/ast"
	"go/token"
	"slices"
)

func gormRules() []Rule {
	return []Rule{{
		Name:   "gorm-traps",
		Says:   "gorm is used without Save, FirstOrCreate, FirstOrInit, soft delete, inline conditions, and SQL put together at run time.",
		Remedy: "Create, or Updates with a condition and a look at RowsAffected; Where(\"id = ?\", id); constants for SQL",
		check:  checkGorm,
	}}
}

var (
	// builders take SQL as text.
	builders = []string{"Where", "Or", "Not", "Order", "Group", "Having", "Select", "Joins", "Raw", "Exec", "Table", "Distinct", "Expr"}
	// finders take conditions after what they fill: First(&x, "id = ?", id).
	finders = []string{"First", "Last", "Take", "Find", "Delete", "FirstOrInit"}
)

func checkGorm(t *Tree, found func(Place, string, ...any)) {
	constants := t.constants()
	for _, s := range t.Go {
		stores := s.Room.Kind == Store || s.Room.Kind == Foreign || within(s.Dir, "internal/saga", "internal/idempotency", "internal/event")
		if !stores || s.Test {
			continue
		}
		s.inspect(func(n ast.Node) {
			if pkg, name := s.selected(n); pkg == "gorm.io/gorm" && name == "DeletedAt" {
				found(s.at(n), "gorm.DeletedAt: a deleted row would still be there")
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return
			}
			name := sel.Sel.Name
			switch {
			case name == "Save" && len(call.Args) == 1:
				found(s.at(sel.Sel), "Save inserts when nothing matched")
			case name == "FirstOrCreate" || name == "FirstOrInit":
				found(s.at(sel.Sel), "%s races", name)
			case slices.Contains(finders, name) && len(call.Args) > 1 && isAddress(call.Args[0]):
				found(s.at(sel.Sel), "%s with an inline condition, which runs as SQL", name)
			// The kit's partitions have names made from dates, by nobody else.
			case slices.Contains(builders, name) && len(call.Args) > 0 && !within(s.Dir, "internal/event"):
				if !s.constant(call.Args[0], constants[s.Dir]) {
					found(s.at(sel.Sel), "%s with SQL put together at run time", name)
				}
			}
		})
	}
}

// constants names, for each folder, what its packages declare as constants.
func (t *Tree) constants() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, s := range t.Go {
		for _, d := range s.AST.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			if all[s.Dir] == nil {
				all[s.Dir] = map[string]bool{}
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					all[s.Dir][name.Name] = true
				}
			}
		}
	}
	return all
}

// constant tells whether an expression is SQL text fixed in the source. Only
// texts are judged: a call of fmt.Sprintf is one, a variable may be a clause.
func (s *Source) constant(e ast.Expr, constants map[string]bool) bool {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return s.part(e.X, constants) && s.part(e.Y, constants)
	case *ast.CallExpr:
		pkg, name := s.selected(e.Fun)
		return pkg != "fmt" && (pkg != "strings" || name != "Join" && name != "Replace" && name != "ReplaceAll")
	case *ast.ParenExpr:
		return s.constant(e.X, constants)
	}
	return true
}

// part tells whether an operand of + is fixed in the source.
func (s *Source) part(e ast.Expr, constants map[string]bool) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return constants[e.Name]
	case *ast.BinaryExpr:
		return s.part(e.X, constants) && s.part(e.Y, constants)
	case *ast.ParenExpr:
		return s.part(e.X, constants)
	}
	return false
}

func isAddress(e ast.Expr) bool {
	u, ok := e.(*ast.UnaryExpr)
	return ok && u.Op == token.AND
}
