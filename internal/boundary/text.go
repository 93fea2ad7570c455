package boundary

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strconv"
	"strings"

	"github.com/banyan-tree/banyan/internal/sqltables"
)

// variants bounds how many texts an expression is followed to.
const variants = 24

// texts tells which texts an expression can have, as far as the source says:
// through constants, variables, fields, parameters, concatenation, formats,
// builders and the functions of the tree. What it cannot tell is
// sqltables.Unknown.
type texts struct {
	f       *flow
	builder map[types.Object][]ast.Expr // what is written to a strings.Builder
	busy    map[any]bool
}

func newTexts(f *flow) *texts {
	t := &texts{f: f, builder: map[types.Object][]ast.Expr{}, busy: map[any]bool{}}
	for _, dir := range f.p.dirs() {
		for _, s := range f.p.files[dir] {
			ast.Inspect(s.AST, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					t.written(call)
				}
				return true
			})
		}
	}
	return t
}

// written remembers b.WriteString(x) and fmt.Fprintf(&b, x, …).
func (t *texts) written(call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	switch sel.Sel.Name {
	case "WriteString":
		if obj := t.f.target(sel.X); obj != nil {
			t.builder[obj] = append(t.builder[obj], call.Args[0])
		}
	case "Fprintf", "Fprint":
		if ref, ok := call.Args[0].(*ast.UnaryExpr); ok && len(call.Args) > 1 {
			if obj := t.f.target(ref.X); obj != nil {
				t.builder[obj] = append(t.builder[obj], call.Args[1])
			}
		}
	}
}

func (t *texts) of(e ast.Expr) []string {
	list := t.eval(e)
	seen := map[string]bool{}
	var out []string
	for _, s := range list {
		if !seen[s] && len(out) < variants {
			seen[s] = true
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return []string{sqltables.Unknown}
	}
	return out
}

func (t *texts) eval(e ast.Expr) []string {
	if tv, ok := t.f.p.info.Types[e]; ok && tv.Value != nil {
		if tv.Value.Kind() == constant.String {
			return []string{constant.StringVal(tv.Value)}
		}
		return []string{tv.Value.String()}
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return []string{s}
		}
	case *ast.ParenExpr:
		return t.of(e.X)
	case *ast.BinaryExpr:
		return join(t.of(e.X), t.of(e.Y))
	case *ast.Ident, *ast.SelectorExpr:
		return t.variable(t.f.target(e))
	case *ast.IndexExpr:
		return t.of(e.X)
	case *ast.SliceExpr:
		return t.of(e.X)
	case *ast.CompositeLit:
		var all []string
		for _, elt := range e.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			all = append(all, t.of(elt)...)
		}
		return all
	case *ast.CallExpr:
		return t.call(e)
	}
	return nil
}

func join(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			if len(all) < variants {
				all = append(all, x+y)
			}
		}
	}
	return all
}

// variable gives everything that is ever given to a variable or field. What is
// added to a text comes in the order of the source, all of it.
func (t *texts) variable(obj types.Object) []string {
	if obj == nil || t.busy[obj] {
		return nil
	}
	t.busy[obj] = true
	defer delete(t.busy, obj)
	var all []string
	grown, whole := false, []string{""}
	for _, g := range t.f.given[obj] {
		var next []string
		if call, ok := ast.Unparen(g.from).(*ast.CallExpr); ok && g.result > 0 {
			next = t.results(call, g.result)
		} else {
			next = t.of(g.from)
		}
		all = append(all, next...)
		whole = join(whole, next)
		grown = grown || g.adds
	}
	if grown {
		return append(all, whole...)
	}
	return all
}

func (t *texts) call(call *ast.CallExpr) []string {
	if tv, ok := t.f.p.info.Types[call.Fun]; ok && tv.IsType() && len(call.Args) == 1 {
		return t.of(call.Args[0])
	}
	if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "append" {
		var all []string
		for _, a := range call.Args {
			all = append(all, t.of(a)...)
		}
		return all
	}
	fn := t.f.p.callee(call)
	if fn == nil || fn.Pkg() == nil {
		return nil
	}
	switch fn.Pkg().Path() + "." + fn.Name() {
	case "fmt.Sprintf":
		return t.format(call.Args)
	case "fmt.Sprint", "strings.TrimSpace", "strings.ToLower", "strings.ToUpper", "strings.Repeat", "strings.TrimSuffix", "strings.TrimPrefix",
		"slices.Values", "slices.Clone", "slices.Sorted", "slices.Collect":
		return t.of(call.Args[0])
	case "strings.ReplaceAll", "strings.Replace":
		var all []string
		for _, s := range t.of(call.Args[0]) {
			for _, from := range t.of(call.Args[1]) {
				for _, to := range t.of(call.Args[2]) {
					all = append(all, strings.ReplaceAll(s, from, to))
				}
			}
		}
		return all
	case "strings.Join":
		parts := t.of(call.Args[0])
		return append([]string{strings.Join(parts, t.of(call.Args[1])[0])}, parts...)
	case "strings.String":
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			whole := []string{""}
			for _, part := range t.builder[t.f.target(sel.X)] {
				whole = join(whole, t.of(part))
			}
			return whole
		}
	}
	return t.results(call, 0)
}

// results gives what a function of the tree returns.
func (t *texts) results(call *ast.CallExpr, n int) []string {
	fn := t.f.p.callee(call)
	if fn == nil {
		return nil
	}
	targets := []*types.Func{fn}
	if isInterfaceMethod(fn) {
		targets = t.f.p.implementations(fn, "")
	}
	var all []string
	for _, target := range targets {
		decl := t.f.p.decls[target]
		if decl == nil || t.busy[decl] {
			continue
		}
		t.busy[decl] = true
		width := target.Signature().Results().Len()
		for i, e := range t.f.returned[decl] {
			if width > 0 && i%width == n {
				all = append(all, t.of(e)...)
			}
		}
		delete(t.busy, decl)
	}
	return all
}

// format fills a format with what is known of its arguments.
func (t *texts) format(args []ast.Expr) []string {
	var all []string
	for _, format := range t.of(args[0]) {
		whole, next := []string{""}, 1
		for {
			before, rest, found := strings.Cut(format, "%")
			whole = join(whole, []string{before})
			if !found {
				break
			}
			if strings.HasPrefix(rest, "%") {
				whole, format = join(whole, []string{"%"}), rest[1:]
				continue
			}
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
			if end < 0 {
				break
			}
			if flags := rest[:end]; strings.HasPrefix(flags, "[") {
				if n, err := strconv.Atoi(strings.Trim(flags, "[]")); err == nil {
					next = n
				}
			}
			value := []string{sqltables.Unknown}
			if next < len(args) {
				value = t.of(args[next])
			}
			whole, format, next = join(whole, value), rest[end+1:], next+1
		}
		all = append(all, whole...)
	}
	return all
}
