package boundary

import (
	"fmt"
	"go/ast"
	"go/types"
	"strings"
)

// value is a function as a value: a literal with the variables around it, or a
// function or method of the tree, of an interface, or from elsewhere.
type value struct {
	lit  *ast.FuncLit
	env  *scope
	fn   *types.Func
	from ast.Expr // where the value was taken
}

// scope knows the functions that were passed to the parameters around a place.
type scope struct {
	bound map[types.Object][]value
	outer *scope
	root  ast.Node // of a function that is read without a caller: its parameters are nothing
}

func (sc *scope) lookup(obj types.Object) ([]value, bool) {
	for ; sc != nil; sc = sc.outer {
		if v, ok := sc.bound[obj]; ok {
			return v, true
		}
	}
	return nil, false
}

// hasRoot tells whether fn is read without a caller here.
func (sc *scope) hasRoot(fn ast.Node) bool {
	for ; sc != nil; sc = sc.outer {
		if sc.root == fn {
			return true
		}
	}
	return false
}

// signature tells scopes apart by what they bind.
func (sc *scope) signature(depth int) string {
	var b strings.Builder
	for ; sc != nil && depth < 3; sc = sc.outer {
		for obj, list := range sc.bound {
			part := fmt.Sprintf("%d=", obj.Pos())
			for _, v := range list {
				if v.lit != nil {
					part += fmt.Sprintf("%d(%s)", v.lit.Pos(), v.env.signature(depth+1))
				} else if v.fn != nil {
					part += fmt.Sprintf("%p", v.fn)
				}
			}
			b.WriteString(part + ";")
		}
	}
	return b.String()
}

// values resolves an expression to the functions that it can be.
type values struct {
	f     *flow
	busy  map[any]bool
	known map[types.Object][]value // what is asked without a scope
}

const maxValues = 200 // handlers and steps of the whole tree

func (r *values) of(e ast.Expr, env *scope) []value {
	p := r.f.p
	if t := p.info.TypeOf(e); t == nil || !holdsFunction(t, 0) {
		return nil
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.FuncLit:
		return []value{{lit: e, env: env, from: e}}
	case *ast.Ident, *ast.SelectorExpr:
		if fn := p.function(e); fn != nil {
			return []value{{fn: fn, from: e}}
		}
		return r.variable(r.f.target(e), env)
	case *ast.IndexExpr:
		if fn := p.function(e.X); fn != nil {
			return []value{{fn: fn, from: e}}
		}
		return r.of(e.X, env)
	case *ast.IndexListExpr:
		return r.of(e.X, env)
	case *ast.TypeAssertExpr:
		return r.of(e.X, env)
	case *ast.CompositeLit:
		var all []value
		for _, elt := range e.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			all = append(all, r.of(elt, env)...)
		}
		return all
	case *ast.CallExpr:
		return r.call(e, env)
	}
	return nil
}

func (r *values) variable(obj types.Object, env *scope) []value {
	if obj == nil || r.busy[obj] {
		return nil
	}
	if bound, ok := env.lookup(obj); ok {
		return bound
	}
	v, ok := obj.(*types.Var)
	if !ok {
		return nil
	}
	if fn := r.f.within[obj]; fn != nil && env.hasRoot(fn) {
		return nil // whoever calls it is read too
	}
	if v.IsField() || v.Parent() == nil || r.f.within[obj] != nil {
		env = nil // given somewhere else
	}
	if known, ok := r.known[obj]; ok && env == nil {
		return known
	}
	whole := len(r.busy) == 0
	r.busy[obj] = true
	defer delete(r.busy, obj)
	var all []value
	defer func() {
		if whole && env == nil {
			r.known[obj] = all
		}
	}()
	for _, g := range r.f.given[obj] {
		if g.result > 0 || len(all) > maxValues {
			continue
		}
		all = append(all, r.of(g.from, env)...)
	}
	return all
}

// call gives the functions that a call returns.
func (r *values) call(call *ast.CallExpr, env *scope) []value {
	p := r.f.p
	if tv, ok := p.info.Types[call.Fun]; ok && tv.IsType() {
		if len(call.Args) == 1 {
			return r.of(call.Args[0], env)
		}
		return nil
	}
	var all []value
	passed := func() {
		for _, a := range call.Args {
			all = append(all, r.of(a, env)...)
		}
	}
	if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "append" {
		passed()
		return all
	}
	for _, v := range r.of(call.Fun, env) {
		var body ast.Node
		switch {
		case v.lit != nil:
			body = v.lit
		case p.decls[v.fn] != nil:
			body = p.decls[v.fn]
		default: // sync.OnceFunc(f) and the like
			passed()
			continue
		}
		if r.busy[body] {
			continue
		}
		r.busy[body] = true
		inner := r.bind(v, call, env)
		for _, e := range r.f.returned[body] {
			all = append(all, r.of(e, inner)...)
		}
		delete(r.busy, body)
	}
	return all
}

// bind passes the functions among a call's arguments to the parameters.
func (r *values) bind(v value, call *ast.CallExpr, env *scope) *scope {
	var params *ast.FieldList
	inner := &scope{bound: map[types.Object][]value{}}
	switch {
	case v.lit != nil:
		params, inner.outer = v.lit.Type.Params, v.env
	case r.f.p.decls[v.fn] != nil:
		params = r.f.p.decls[v.fn].Type.Params
	default:
		return inner
	}
	var objs []types.Object
	for _, field := range params.List {
		for _, id := range field.Names {
			objs = append(objs, r.f.p.info.Defs[id])
		}
		if len(field.Names) == 0 {
			objs = append(objs, nil)
		}
	}
	if call == nil || len(objs) == 0 {
		return inner
	}
	for i, arg := range call.Args {
		obj := objs[min(i, len(objs)-1)]
		if obj == nil || !holdsFunction(obj.Type(), 0) {
			continue
		}
		inner.bound[obj] = append(inner.bound[obj], r.of(arg, env)...)
	}
	return inner
}

// holdsFunction tells whether a value of a type is a function, or a container of
// functions.
func holdsFunction(t types.Type, depth int) bool {
	if depth > 3 {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Signature:
		return true
	case *types.Slice:
		return holdsFunction(u.Elem(), depth+1)
	case *types.Map:
		return holdsFunction(u.Elem(), depth+1)
	case *types.Pointer:
		return holdsFunction(u.Elem(), depth+1)
	}
	return false
}
