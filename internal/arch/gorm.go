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
	for _, s := range t.Go {
		stores := s.Room.Kind == Store || s.Room.Kind == Foreign || within(s.Dir, "internal/saga", "internal/idempotency", "internal/event", "internal/eventstore")
		if !stores || s.Test {
			continue
		}
		s.inspect(func(n ast.Node) {
			if pkg, name := s.selected(n); pkg == "gorm.io/gorm" && name == "DeletedAt" {
				found(s.at(n), "gorm.DeletedAt: a deleted row would still be there")
			}
		})
		texts := t.texts(s.Dir)
		s.eachFunction(func(in *ast.FuncDecl) {
			ast.Inspect(in, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
					if what := trap(s, call, func(e ast.Expr) bool { return texts.fixed(e, in) }); what != "" {
						found(s.at(call.Fun.(*ast.SelectorExpr).Sel), "%s", what)
					}
				}
				return true
			})
		})
	}
}

// trap tells what is wrong with a call; empty when nothing is.
func trap(s *Source, call *ast.CallExpr, fixed func(ast.Expr) bool) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	name, first := sel.Sel.Name, call.Args[0]
	switch {
	case name == "Save" && len(call.Args) == 1:
		return "Save inserts when nothing matched"
	case name == "FirstOrCreate" || name == "FirstOrInit":
		return name + " races"
	case slices.Contains(finders, name) && len(call.Args) > 1 && isAddress(first):
		return name + " with an inline condition, which runs as SQL"
	// The kit's partitions have names made from dates, by nobody else.
	case slices.Contains(builders, name) && !within(s.Dir, "internal/event") && isText(first) && !fixed(first):
		return name + " with SQL put together at run time"
	}
	return ""
}

func isAddress(e ast.Expr) bool {
	u, ok := e.(*ast.UnaryExpr)
	return ok && u.Op == token.AND
}
