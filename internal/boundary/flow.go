package boundary

import (
	"go/ast"
	"go/token"
	"go/types"
)

// flow knows what is given to each variable, field and parameter, and what each
// function gives back, anywhere in the tree. Containers are one with what they
// hold: what is put into a map is given to the map.
type flow struct {
	p        *program
	given    map[types.Object][]gift
	returned map[ast.Node][]ast.Expr // by *ast.FuncDecl or *ast.FuncLit
	within   map[types.Object]ast.Node
}

// gift is an expression that is given, and the result of it that is, if it is a
// call with several.
type gift struct {
	from   ast.Expr
	result int
	pos    token.Pos
	adds   bool // to what is there: +=
}

func newFlow(p *program) *flow {
	f := &flow{p: p, given: map[types.Object][]gift{}, returned: map[ast.Node][]ast.Expr{}, within: map[types.Object]ast.Node{}}
	for _, dir := range p.dirs() {
		for _, s := range p.files[dir] {
			f.read(s.AST)
		}
	}
	return f
}

// read visits a file with the function that each node is in.
func (f *flow) read(file *ast.File) {
	var stack []ast.Node
	var in []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if len(in) > 0 && in[len(in)-1] == last {
				in = in[:len(in)-1]
			}
			return true
		}
		stack = append(stack, n)
		switch n := n.(type) {
		case *ast.FuncDecl:
			in = append(in, n)
			f.parameters(n, n.Type, n.Recv)
		case *ast.FuncLit:
			in = append(in, n)
			f.parameters(n, n.Type, nil)
		case *ast.ReturnStmt:
			if len(in) > 0 {
				f.returned[in[len(in)-1]] = append(f.returned[in[len(in)-1]], n.Results...)
			}
		case *ast.AssignStmt:
			f.assign(n.Lhs, n.Rhs, n.Tok == token.ADD_ASSIGN)
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, id := range n.Names {
				names[i] = id
			}
			f.assign(names, n.Values, false)
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if e != nil {
					f.give(f.target(e), gift{from: n.X, pos: n.Pos()})
				}
			}
		case *ast.CompositeLit:
			f.composite(n)
		case *ast.CallExpr:
			f.arguments(n)
		}
		return true
	})
}

func (f *flow) parameters(fn ast.Node, t *ast.FuncType, recv *ast.FieldList) {
	for _, list := range []*ast.FieldList{recv, t.Params} {
		if list == nil {
			continue
		}
		for _, field := range list.List {
			for _, id := range field.Names {
				if obj := f.p.info.Defs[id]; obj != nil {
					f.within[obj] = fn
				}
			}
		}
	}
}

func (f *flow) assign(left, right []ast.Expr, adds bool) {
	for i, l := range left {
		g := gift{pos: l.Pos(), adds: adds}
		switch {
		case len(left) == len(right):
			g.from = right[i]
		case len(right) == 1:
			g.from, g.result = right[0], i
		default:
			continue
		}
		f.give(f.target(l), g)
	}
}

func (f *flow) give(to types.Object, g gift) {
	if to != nil {
		f.given[to] = append(f.given[to], g)
	}
}

// target is the variable or field that an assignment goes to: for an element,
// its container.
func (f *flow) target(e ast.Expr) types.Object {
	switch e := e.(type) {
	case *ast.Ident:
		if obj := f.p.info.Defs[e]; obj != nil {
			return origin(obj)
		}
		return origin(f.p.info.Uses[e])
	case *ast.SelectorExpr:
		return f.p.selected(e)
	case *ast.IndexExpr:
		return f.target(e.X)
	case *ast.ParenExpr:
		return f.target(e.X)
	case *ast.StarExpr:
		return f.target(e.X)
	}
	return nil
}

// composite gives the elements of a struct to its fields.
func (f *flow) composite(lit *ast.CompositeLit) {
	t := f.p.info.TypeOf(lit)
	if t == nil {
		return
	}
	s, ok := deref(t).Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, elt := range lit.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				f.give(origin(f.p.info.Uses[key]), gift{from: kv.Value, pos: kv.Pos()})
			}
		} else if i < s.NumFields() {
			f.give(origin(s.Field(i)), gift{from: elt, pos: elt.Pos()})
		}
	}
}

// arguments gives what a call passes to the parameters of what is called.
func (f *flow) arguments(call *ast.CallExpr) {
	fn := f.p.callee(call)
	if fn == nil {
		return
	}
	targets := []*types.Func{fn}
	if isInterfaceMethod(fn) {
		targets = f.p.implementations(fn, "")
	}
	for _, t := range targets {
		params := t.Signature().Params()
		for i, arg := range call.Args {
			if n := params.Len(); n > 0 {
				f.give(origin(params.At(min(i, n-1))), gift{from: arg, pos: arg.Pos()})
			}
		}
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			if recv := t.Signature().Recv(); recv != nil && !isInterfaceMethod(t) {
				f.give(origin(recv), gift{from: sel.X, pos: sel.Pos()})
			}
		}
	}
}

// origin is a field or parameter as it was declared, of a generic type too.
func origin(obj types.Object) types.Object {
	switch obj := obj.(type) {
	case *types.Var:
		return obj.Origin()
	case *types.Func:
		return obj.Origin()
	}
	return obj
}

func deref(t types.Type) types.Type {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

// selected is the field or variable that x.f names; nil for a method.
func (p *program) selected(e *ast.SelectorExpr) types.Object {
	if s := p.info.Selections[e]; s != nil {
		if s.Kind() == types.FieldVal {
			return origin(s.Obj())
		}
		return nil
	}
	if v, ok := p.info.Uses[e.Sel].(*types.Var); ok {
		return v
	}
	return nil
}

// callee is the function or method that a call names; nil where a value is called.
func (p *program) callee(call *ast.CallExpr) *types.Func { return p.function(call.Fun) }

func (p *program) function(e ast.Expr) *types.Func {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if fn, ok := p.info.Uses[e].(*types.Func); ok {
			return fn.Origin()
		}
	case *ast.SelectorExpr:
		if s := p.info.Selections[e]; s != nil {
			if fn, ok := s.Obj().(*types.Func); ok {
				return fn.Origin()
			}
			return nil
		}
		if fn, ok := p.info.Uses[e.Sel].(*types.Func); ok {
			return fn.Origin()
		}
	case *ast.IndexExpr:
		return p.function(e.X)
	case *ast.IndexListExpr:
		return p.function(e.X)
	}
	return nil
}

func isInterfaceMethod(fn *types.Func) bool {
	recv := fn.Signature().Recv()
	return recv != nil && types.IsInterface(recv.Type())
}

type implKey struct {
	method *types.Func
	unit   string
}

// implementations gives the methods that a call of an interface's method may
// reach in a unit and in the kit; of every unit where none is named.
func (p *program) implementations(method *types.Func, unit string) []*types.Func {
	key := implKey{method, unit}
	if list, ok := p.impl[key]; ok {
		return list
	}
	iface, ok := method.Signature().Recv().Type().Underlying().(*types.Interface)
	var list []*types.Func
	for owner, names := range p.named {
		if !ok || unit != "" && owner != unit && owner != kit {
			continue
		}
		for _, name := range names {
			if types.IsInterface(name.Type()) {
				continue
			}
			ptr := types.NewPointer(name.Type())
			if !implements(ptr, iface) {
				continue
			}
			obj, _, _ := types.LookupFieldOrMethod(ptr, true, method.Pkg(), method.Name())
			if fn, ok := obj.(*types.Func); ok && !isInterfaceMethod(fn) {
				list = append(list, fn.Origin())
			}
		}
	}
	p.impl[key] = list
	return list
}

// implements is types.Implements that takes a generic type by the names of its
// methods.
func implements(t types.Type, iface *types.Interface) bool {
	if iface.NumMethods() == 0 {
		return false
	}
	named, ok := deref(t).(*types.Named)
	if ok && named.TypeParams().Len() > 0 {
		for m := range iface.Methods() {
			if obj, _, _ := types.LookupFieldOrMethod(t, true, m.Pkg(), m.Name()); obj == nil {
				return false
			}
		}
		return true
	}
	return types.Implements(t, iface)
}
