package arch

import (
	"go/ast"
	"go/token"
	"slices"
)

// texts judges whether a text of one package is fixed in its source. It follows
// names by spelling, not by type: what it cannot follow is not fixed.
type texts struct {
	files []*Source // the files of the package
	asked map[asked]bool
}

// asked is a name being followed, so that a circle ends.
type asked struct {
	in   *ast.FuncDecl
	name string
}

func (t *Tree) texts(dir string) *texts {
	x := &texts{asked: map[asked]bool{}}
	for _, s := range t.Go {
		if s.Dir == dir && !s.Test {
			x.files = append(x.files, s)
		}
	}
	return x
}

// isText tells whether an expression surely is text being put together; a plain
// name may as well be a clause or a column, which gorm quotes.
func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return e.Op == token.ADD
	case *ast.ParenExpr:
		return isText(e.X)
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && slices.Contains([]string{"Sprintf", "Sprint", "Join", "Repeat", "Replace", "ReplaceAll"}, sel.Sel.Name)
	}
	return false
}

// fixed tells whether a text in a function is made of literals only, repeated or
// chosen from. The function is nil outside of one.
func (x *texts) fixed(e ast.Expr, in *ast.FuncDecl) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return x.fixed(e.X, in) && x.fixed(e.Y, in)
	case *ast.ParenExpr:
		return x.fixed(e.X, in)
	case *ast.Ident:
		return x.named(e.Name, in)
	case *ast.IndexExpr: // one of a table of texts
		return x.fixed(e.X, in)
	case *ast.CompositeLit:
		return !slices.ContainsFunc(e.Elts, func(elt ast.Expr) bool {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			return !x.fixed(elt, in)
		})
	case *ast.CallExpr:
		return x.repeated(e, in)
	}
	return false
}

// repeated knows strings.Join and strings.Repeat, make and append of texts, and the
// texts that database.DB gives for its dialect.
func (x *texts) repeated(call *ast.CallExpr, in *ast.FuncDecl) bool {
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
		from, ok := sel.X.(*ast.Ident)
		switch {
		case sel.Sel.Name == "SkipLocked" && len(call.Args) == 0:
			return true
		case sel.Sel.Name == "Among" && len(call.Args) == 1:
			return x.fixed(call.Args[0], in)
		case !ok || from.Name != "strings":
			return false
		case sel.Sel.Name == "Repeat" && len(call.Args) == 2:
			return x.fixed(call.Args[0], in)
		case sel.Sel.Name == "Join" && len(call.Args) == 2:
			return x.fixed(call.Args[0], in) && x.fixed(call.Args[1], in)
		}
		return false
	}
	fn, ok := call.Fun.(*ast.Ident)
	switch {
	case ok && fn.Name == "make":
		return true
	case ok && fn.Name == "append":
		return !slices.ContainsFunc(call.Args, func(a ast.Expr) bool { return !x.fixed(a, in) })
	}
	return false
}

// named tells whether everything given to a name is fixed: in the function it is
// used in, else where the package declares it.
func (x *texts) named(name string, in *ast.FuncDecl) bool {
	key := asked{in, name}
	if x.asked[key] {
		return true // judged where it was asked first
	}
	x.asked[key] = true
	defer delete(x.asked, key)
	if in != nil {
		if i := parameter(in, name); i >= 0 {
			return x.calledWith(in, i)
		}
		if known, fixed := x.given(in, name, in); known {
			return fixed
		}
	}
	for _, s := range x.files {
		for _, d := range s.AST.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok != token.IMPORT {
				if known, fixed := x.given(g, name, nil); known {
					return fixed
				}
			}
		}
	}
	return false
}

// given looks at what a part of the source assigns to a name.
func (x *texts) given(part ast.Node, name string, in *ast.FuncDecl) (known, fixed bool) {
	fixed = true
	give := func(e ast.Expr) {
		known = true
		fixed = fixed && x.fixed(e, in)
	}
	ast.Inspect(part, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if id.Name == name && i < len(n.Values) {
					give(n.Values[i])
				}
			}
		case *ast.RangeStmt:
			if n.Key != nil && base(n.Key) == name || n.Value != nil && base(n.Value) == name {
				give(n.X)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if base(left) != name {
					continue
				}
				if len(n.Lhs) == len(n.Rhs) {
					give(n.Rhs[i])
				} else { // one of several results of a call
					known, fixed = true, false
				}
			}
		}
		return true
	})
	return known, fixed
}

// base is the name an assignment goes to: x of x and of x[i].
func base(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return base(e.X)
	}
	return ""
}

// parameter gives the place of a name among a function's parameters, or -1.
func parameter(fn *ast.FuncDecl, name string) int {
	i := 0
	for _, field := range fn.Type.Params.List {
		for _, id := range field.Names {
			if id.Name == name {
				return i
			}
			i++
		}
	}
	return -1
}

// calledWith tells whether every caller in the package hands a fixed text to a
// function. Nobody knows what others hand to an exported one.
func (x *texts) calledWith(fn *ast.FuncDecl, i int) bool {
	if fn.Name.IsExported() {
		return false
	}
	called, fixed := false, true
	for _, s := range x.files {
		s.eachFunction(func(in *ast.FuncDecl) {
			ast.Inspect(in, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if ok && callee(call) == fn.Name.Name {
					called = true
					fixed = fixed && i < len(call.Args) && x.fixed(call.Args[i], in)
				}
				return true
			})
		})
	}
	return called && fixed
}

// callee is the last name of what is called: f of f() and of x.f().
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// eachFunction calls f for the functions with a body.
func (s *Source) eachFunction(f func(*ast.FuncDecl)) {
	for _, d := range s.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			f(fn)
		}
	}
}
