package boundary

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

const (
	endFirst = "end the transaction first: call before it, in a step of a saga, or after it; or publish an event in it. What may be lost goes to AfterCommit"
	oneData  = "a module has one database; what two must do together is a saga, or an event"
)

// transaction is one that is open while code is read.
type transaction struct {
	call   *ast.CallExpr // that opened it
	data   map[string]bool
	on     string // what it was opened on, as written; empty where that is not known
	folder string // of the code in it, the kit's left out
}

// step is a call on the way from the opening of a transaction.
type step struct {
	call ast.Node
	name string
}

// walker follows calls. It reads every function on its own, then whatever runs
// inside of a transaction with that transaction.
type walker struct {
	*surveyor
	values  *values
	seen    map[walked]bool
	steps   []step
	entries map[string]map[ast.Node]bool // code of a unit that a transaction begins with
	ports   map[*types.Func]string
}

type walked struct {
	body ast.Node
	tx   *ast.CallExpr
	unit string
	env  string
}

const maxDepth = 60

func (s *surveyor) readTransactions() {
	w := &walker{
		surveyor: s, values: &values{f: s.flow, busy: map[any]bool{}, known: map[types.Object][]value{}}, seen: map[walked]bool{},
		entries: map[string]map[ast.Node]bool{}, ports: map[*types.Func]string{},
	}
	for _, dir := range s.dirs() {
		for _, src := range s.files[dir] {
			for _, d := range src.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
					w.walk(fn, fn.Body, &scope{root: fn}, nil, unitOf(dir))
				}
			}
			ast.Inspect(src.AST, func(n ast.Node) bool {
				if lit, ok := n.(*ast.FuncLit); ok {
					w.walk(lit, lit.Body, &scope{root: lit}, nil, unitOf(dir))
				}
				return true
			})
		}
	}
	for unit, entries := range w.entries {
		if unit != kit && unit != assembly {
			s.module(unit).Transactions = len(entries)
		}
	}
}

// walk reads a body. tx is nil outside of a transaction.
func (w *walker) walk(body ast.Node, block *ast.BlockStmt, env *scope, tx *transaction, unit string) {
	key := walked{body: body, unit: unit, env: env.signature(0)}
	if tx != nil {
		key.tx = tx.call
	}
	if w.seen[key] || len(w.steps) > maxDepth || block == nil {
		return
	}
	w.seen[key] = true
	ast.Inspect(block, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false // read where it is called
		case *ast.CallExpr:
			w.visit(n, env, tx, unit)
		}
		return true
	})
}

func (w *walker) visit(call *ast.CallExpr, env *scope, tx *transaction, unit string) {
	if tv, ok := w.info.Types[call.Fun]; ok && (tv.IsType() || tv.IsBuiltin()) {
		return
	}
	if tx != nil && len(call.Args) > 0 && w.detached(call.Args[0], call) {
		tx = nil
	}
	targets := w.values.of(call.Fun, env)
	if len(targets) == 0 {
		w.elsewhere(call, nil, env, tx, unit)
	}
	for _, v := range targets {
		w.enter(v, call, env, tx, unit)
	}
}

// enter reads what a call reaches.
func (w *walker) enter(v value, call *ast.CallExpr, env *scope, tx *transaction, unit string) {
	if v.lit != nil {
		w.into(v.lit, v.lit.Body, "func literal", w.values.bind(v, call, env), call, tx, w.unitAt(v.lit.Pos()), unit)
		return
	}
	decl := w.decls[v.fn]
	switch {
	case w.isKit(v.fn, "database"):
		w.data(v, call, env, tx, unit)
	case w.portOf(v.fn, unit) != "":
		if tx != nil {
			w.reportPort(v, call, tx, unit)
		}
	case isInterfaceMethod(v.fn):
		w.dispatch(v, call, env, tx, unit)
	case decl != nil:
		w.into(decl, decl.Body, v.fn.Name(), w.values.bind(v, call, env), call, tx, w.unitAt(decl.Pos()), unit)
	default:
		w.elsewhere(call, v.fn, env, tx, unit)
	}
}

// into walks a body that is called. Code of the kit works for the module that
// called it.
func (w *walker) into(body ast.Node, block *ast.BlockStmt, name string, env *scope, call ast.Node, tx *transaction, owner, unit string) {
	if owner != kit {
		if tx != nil && w.unitAt(call.Pos()) == kit {
			w.entry(owner, body)
		}
		unit = owner
	}
	w.steps = append(w.steps, step{call, name})
	if tx != nil && tx.folder == "" && owner != kit {
		known := *tx
		known.folder = folderOf(w.place(body).File)
		if w.unitAt(tx.call.Pos()) == kit { // now it is known for whom the kit opened it
			known.data = w.dataOf(tx.call, owner)
		}
		tx = &known
	}
	w.walk(body, block, env, tx, unit)
	w.steps = w.steps[:len(w.steps)-1]
}

func (w *walker) entry(unit string, body ast.Node) {
	if w.entries[unit] == nil {
		w.entries[unit] = map[ast.Node]bool{}
	}
	w.entries[unit][body] = true
}

// dispatch reads every method that a call of an interface's method may reach.
func (w *walker) dispatch(v value, call *ast.CallExpr, env *scope, tx *transaction, unit string) {
	if tx != nil && sendsRequest(v.fn) {
		w.reportNetwork(call, v.fn.Name(), tx, unit)
		return
	}
	within := unit
	if unit == kit {
		within = "" // what modules hand to the kit
	}
	for _, fn := range w.implementations(v.fn, within) {
		w.enter(value{fn: fn, from: v.from}, call, env, tx, unit)
	}
}

// data reads the calls that open a transaction and that end one.
func (w *walker) data(v value, call *ast.CallExpr, env *scope, tx *transaction, unit string) {
	recv := v.fn.Signature().Recv()
	if recv == nil {
		return
	}
	switch v.fn.Name() {
	case "Atomic":
		if len(call.Args) < 2 {
			return
		}
		inner := w.open(call, env, unit)
		switch {
		case tx == nil:
			w.steps = append(w.steps, step{call, "Atomic"})
			w.run(call.Args[1], call, env, inner, unit)
			w.steps = w.steps[:len(w.steps)-1]
		case tx.differs(inner):
			w.reportData(call, tx, unit)
		default:
			w.run(call.Args[1], call, env, tx, unit)
		}
	case "Conn", "Later":
		if inner := w.open(call, env, unit); tx != nil && tx.differs(inner) {
			w.reportData(call, tx, unit)
		}
	case "AfterCommit":
		if len(call.Args) > 1 {
			w.run(call.Args[1], call, env, nil, unit)
		}
	}
}

// run reads the functions that an argument can be, called without arguments that
// matter.
func (w *walker) run(fn ast.Expr, call *ast.CallExpr, env *scope, tx *transaction, unit string) {
	for _, v := range w.values.of(fn, env) {
		plain := &ast.CallExpr{Fun: fn, Lparen: call.Lparen, Rparen: call.Rparen}
		if tx != nil && tx.on == "" && v.lit != nil {
			tx.on = w.onWhat(v.lit)
		}
		if tx != nil && v.lit != nil {
			w.entry(w.unitAt(v.lit.Pos()), v.lit)
		} else if tx != nil && w.decls[v.fn] != nil {
			w.entry(w.unitAt(w.decls[v.fn].Pos()), w.decls[v.fn])
		}
		if v.lit != nil {
			w.into(v.lit, v.lit.Body, "func literal", &scope{outer: v.env}, call, tx, w.unitAt(v.lit.Pos()), unit)
			continue
		}
		w.enter(v, plain, env, tx, unit)
	}
}

// dataOf tells which databases the method of a call is called on, seen from a unit.
func (w *walker) dataOf(call *ast.CallExpr, unit string) map[string]bool {
	h := &handles{f: w.flow, unit: unit, busy: map[types.Object]bool{}, set: map[string]bool{}}
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		h.receiver(sel)
	}
	return h.set
}

func (w *walker) open(call *ast.CallExpr, env *scope, unit string) *transaction {
	tx := &transaction{call: call, data: w.dataOf(call, unit)}
	if len(call.Args) > 1 {
		for _, v := range w.values.of(call.Args[1], env) {
			if v.lit != nil && tx.on == "" {
				tx.on = w.onWhat(v.lit)
			}
		}
	}
	return tx
}

// onWhat gives what stands before the method that a literal is passed to: s.orders
// of s.orders.Atomic(ctx, func…). It looks for the innermost step around it.
func (w *walker) onWhat(lit *ast.FuncLit) string {
	for i := len(w.steps) - 1; i >= 0; i-- {
		call, ok := w.steps[i].call.(*ast.CallExpr)
		if !ok || call.Pos() > lit.Pos() || call.End() < lit.End() {
			continue
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
			_, after, _ := strings.Cut(types.ExprString(sel.X), ".")
			return after
		}
	}
	return ""
}

// differs tells whether two transactions are on two databases.
func (t *transaction) differs(o *transaction) bool {
	if len(t.data) == 0 || len(o.data) == 0 {
		return false
	}
	both := false
	all := map[string]bool{}
	for d := range t.data {
		both = both || o.data[d]
		all[d] = true
	}
	for d := range o.data {
		all[d] = true
	}
	return !both || len(all) > 1 && t.on != "" && o.on != "" && t.on != o.on
}

// elsewhere is a call of what is not in the tree. Functions that it is given are
// taken to be called at once.
func (w *walker) elsewhere(call *ast.CallExpr, fn *types.Func, env *scope, tx *transaction, unit string) {
	if tx != nil && w.network(call, fn) {
		w.reportNetwork(call, types.ExprString(call.Fun), tx, unit)
	}
	for _, arg := range call.Args {
		if t := w.info.TypeOf(arg); t == nil || !holdsFunction(t, 0) {
			continue
		}
		w.steps = append(w.steps, step{call, types.ExprString(call.Fun)})
		w.run(arg, call, env, tx, unit)
		w.steps = w.steps[:len(w.steps)-1]
	}
}

func (w *walker) reportPort(v value, call *ast.CallExpr, tx *transaction, unit string) {
	at := ast.Node(call)
	if w.unitAt(call.Pos()) == kit || call.Pos() == 0 || !call.Fun.Pos().IsValid() {
		at = v.from
	}
	w.report(at, fmt.Sprintf("%s.%s is called inside a transaction", w.portOf(v.fn, unit), v.fn.Name()), endFirst, tx, unit)
}

// reportNetwork points at the line that leaves the package in which the
// transaction is: the client it goes through does what it is for.
func (w *walker) reportNetwork(call *ast.CallExpr, name string, tx *transaction, unit string) {
	at := ast.Node(call)
	for _, st := range w.steps {
		if st.call != tx.call && folderOf(w.place(st.call).File) == tx.folder && st.call.Pos() > 0 {
			at = st.call
		}
	}
	if folderOf(w.place(call).File) == tx.folder {
		at = call
	}
	w.report(at, "something outside of this process is called inside a transaction", endFirst, tx, unit)
	_ = name
}

func (w *walker) reportData(call *ast.CallExpr, tx *transaction, unit string) {
	at := ast.Node(call)
	if w.unitAt(call.Pos()) == kit {
		for _, st := range w.steps {
			if w.unitAt(st.call.Pos()) != kit {
				at = st.call
			}
		}
	}
	for i := len(w.steps) - 1; i >= 0; i-- { // a store's Atomic wraps the database's
		st := w.steps[i].call
		if folderOf(w.place(st).File) == tx.folder && st != tx.call {
			at = st
			break
		}
	}
	if folderOf(w.place(call).File) == tx.folder {
		at = call
	}
	w.report(at, "another database is used inside a transaction", oneData, tx, unit)
}

func (w *walker) report(at ast.Node, what, remedy string, tx *transaction, unit string) {
	place := w.place(at)
	f := Finding{Module: unit, Plane: Transactions, File: place.File, Line: place.Line, What: what, Remedy: remedy}
	open := false
	for _, st := range w.steps {
		open = open || st.call == tx.call
		if !open {
			continue
		}
		p := w.place(st.call)
		line := fmt.Sprintf("%s:%d %s", p.File, p.Line, st.name)
		if len(f.Via) == 0 || !strings.HasPrefix(f.Via[len(f.Via)-1], fmt.Sprintf("%s:%d ", p.File, p.Line)) {
			f.Via = append(f.Via, line)
		}
	}
	if len(f.Via) > 0 {
		first := w.place(tx.call)
		f.What += fmt.Sprintf(", opened at %s:%d", first.File, first.Line)
	}
	key := fmt.Sprintf("%s:%d:%s", f.File, f.Line, what)
	if !w.told[key] {
		w.told[key] = true
		w.findings = append(w.findings, f)
	}
}

// portOf names the contract of another module that a function belongs to; a
// method of an interface of the module's own belongs to the contract that can
// stand behind it.
func (w *walker) portOf(fn *types.Func, unit string) string {
	if owner := w.contractOf(fn); owner != "" {
		if owner != unit && takesContext(fn) {
			return owner + ".Service"
		}
		return ""
	}
	if !isInterfaceMethod(fn) || !takesContext(fn) || unit == kit {
		return ""
	}
	if name, ok := w.ports[fn]; ok {
		return name
	}
	name := ""
	iface, ok := fn.Signature().Recv().Type().Underlying().(*types.Interface)
	declared := w.units[fn.Pkg()]
	for _, owner := range sortedKeys(w.named) {
		if !ok || owner == declared || declared == kit {
			continue
		}
		for _, t := range w.named[owner] {
			if types.IsInterface(t.Type()) && w.contractOf(t) != "" && types.Implements(t.Type(), iface) && iface.NumMethods() > 0 {
				name = owner + "." + t.Name()
			}
		}
	}
	w.ports[fn] = name
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(a, b) })
	return keys
}

func takesContext(fn *types.Func) bool {
	params := fn.Signature().Params()
	if params.Len() == 0 {
		return false
	}
	named, ok := params.At(0).Type().(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "context"
}
