package boundary

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
)

// handles tells which of a module's databases an expression can be, by the
// fields and parameters that hand them in. Two expressions with nothing in
// common are two databases.
type handles struct {
	f    *flow
	unit string
	busy map[types.Object]bool
	set  map[string]bool
}

// receiver is the database on which a method is called, which may be embedded
// in what is written.
func (h *handles) receiver(sel *ast.SelectorExpr) {
	s := h.f.p.info.Selections[sel]
	if s == nil {
		return
	}
	if iface, ok := s.Recv().Underlying().(*types.Interface); ok { // a store behind an interface of the core
		for _, name := range h.f.p.named[h.unit] {
			ptr := types.NewPointer(name.Type())
			if !types.IsInterface(name.Type()) && implements(ptr, iface) {
				_, index, _ := types.LookupFieldOrMethod(ptr, true, s.Obj().Pkg(), sel.Sel.Name)
				h.embedded(ptr, index)
			}
		}
		return
	}
	if len(s.Index()) < 2 {
		h.expr(sel.X)
		return
	}
	h.embedded(s.Recv(), s.Index())
}

// embedded follows the way to a promoted method as far as the database.
func (h *handles) embedded(t types.Type, index []int) {
	for _, i := range index[:max(0, len(index)-1)] {
		fields, ok := deref(t).Underlying().(*types.Struct)
		if !ok || i >= fields.NumFields() {
			return
		}
		field := fields.Field(i)
		t = field.Type()
		if named, ok := deref(t).(*types.Named); ok && named.Obj().Name() == "DB" && h.f.p.isKit(named.Obj(), "database") {
			h.object(field)
			return
		}
	}
}

func (h *handles) expr(e ast.Expr) {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident, *ast.SelectorExpr:
		h.object(h.f.target(e))
	case *ast.IndexExpr:
		if tv := h.f.p.info.Types[e.Index]; tv.Value != nil && tv.Value.Kind() == constant.String {
			h.set[constant.StringVal(tv.Value)] = true
			return
		}
		h.expr(e.X)
	case *ast.CallExpr:
		for _, arg := range e.Args { // cluster.Module(ctx, "orders", 1)
			if tv := h.f.p.info.Types[arg]; tv.Value != nil && tv.Value.Kind() == constant.String {
				h.set[constant.StringVal(tv.Value)] = true
				return
			}
		}
		if fn := h.f.p.callee(e); fn != nil && h.f.p.decls[fn] != nil {
			for i, r := range h.f.returned[h.f.p.decls[fn]] {
				if n := fn.Signature().Results().Len(); n == 0 || i%n == 0 {
					h.expr(r)
				}
			}
		}
	}
}

func (h *handles) object(obj types.Object) {
	obj = origin(obj)
	if obj == nil || h.busy[obj] {
		return
	}
	h.busy[obj] = true
	given := false
	for _, g := range h.f.given[obj] {
		if unit := h.f.p.unitAt(g.pos); unit == h.unit || unit == kit {
			before := len(h.set)
			h.expr(g.from)
			given = given || len(h.set) > before || h.follows(g.from)
		}
	}
	if !given {
		h.set[fmt.Sprintf("%s@%d", obj.Name(), obj.Pos())] = true
	}
}

// follows tells whether an expression is a name whose own sources are known
// already.
func (h *handles) follows(e ast.Expr) bool {
	obj := h.f.target(e)
	return obj != nil && h.busy[origin(obj)]
}
