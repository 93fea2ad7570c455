package boundary

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/arch"
	"github.com/banyan-tree/banyan/internal/sqltables"
)

const (
	gormPath   = "gorm.io/gorm"
	clausePath = "gorm.io/gorm/clause"
)

var (
	// whole are gorm's methods whose first argument is a statement, pieces those
	// whose first argument may be a part of one.
	whole  = []string{"Raw", "Exec"}
	pieces = []string{"Where", "Not", "Or", "Having", "Select", "Group", "Order", "Joins", "InnerJoins", "Distinct", "Pluck"}
	// fillers take a row type that names a table.
	fillers = []string{
		"Model", "Create", "CreateInBatches", "Save", "First", "Take", "Last", "Find", "FindInBatches", "FirstOrInit", "FirstOrCreate",
		"Delete", "Updates", "Scan", "AutoMigrate", "CreateTable", "DropTable", "HasTable",
	}
	// finishers send a statement.
	finishers = []string{
		"Raw", "Exec", "Create", "CreateInBatches", "Save", "First", "Take", "Last", "Find", "FindInBatches", "Delete", "Update", "Updates",
		"UpdateColumn", "UpdateColumns", "Count", "Pluck", "Scan", "Row", "Rows",
	}
	// queries are methods of database/sql and pgx whose text comes first, after
	// a context.
	queries = []string{"Query", "QueryRow", "Exec", "QueryContext", "QueryRowContext", "ExecContext", "Prepare", "PrepareContext", "Queue", "PrepareStatement"}
)

func (s *surveyor) readSQL() {
	s.readOwners()
	s.readScripts()
	for _, dir := range s.dirs() {
		for _, src := range s.files[dir] {
			s.readStatements(src)
		}
	}
	s.readKitTables()
}

func (s *surveyor) readStatements(src *arch.Source) {
	owner := ownerDir(src.Dir)
	ast.Inspect(src.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			s.readCall(owner, n)
		case *ast.CompositeLit:
			s.readLiteral(owner, n)
		case *ast.FuncDecl:
			if n.Name.Name == "TableName" && n.Recv != nil {
				for _, e := range s.flow.returned[n] {
					s.judgeText(owner, e, true)
				}
			}
		case *ast.Field:
			s.readTag(owner, n)
		}
		return true
	})
}

// judgeText judges the tables of a statement, or of a list of tables.
func (s *surveyor) judgeText(owner string, e ast.Expr, list bool) {
	at := s.place(e)
	for _, text := range s.texts.of(e) {
		uses := sqltables.In(text)
		if list {
			uses = sqltables.From(text)
		}
		for _, u := range uses {
			s.judge(owner, s.lineIn(e, text, u, at), u)
		}
	}
}

// lineIn gives the line of a table in a text of several lines, where the text is
// written down in one piece.
func (s *surveyor) lineIn(e ast.Expr, text string, u sqltables.Use, at arch.Place) arch.Place {
	lit, ok := e.(*ast.BasicLit)
	if ok && strings.HasPrefix(lit.Value, "`") && u.Offset <= len(text) && u.Offset >= 0 {
		at.Line += strings.Count(text[:u.Offset], "\n")
	}
	return at
}

func (s *surveyor) readCall(owner string, call *ast.CallExpr) {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return
	}
	name := sel.Sel.Name
	fn := s.callee(call)
	switch {
	case fn == nil:
		s.readDriver(owner, sel, call)
	case fn.Pkg() == nil:
	case fn.Pkg().Path() == gormPath && name == "Expr":
		s.judgeText(owner, call.Args[0], false)
	case fn.Pkg().Path() == gormPath:
		s.readGorm(owner, sel, call)
	case fn.Pkg().Path() == "database/sql" && slices.Contains(queries, name):
		s.readDriver(owner, sel, call)
	}
}

func (s *surveyor) readGorm(owner string, sel *ast.SelectorExpr, call *ast.CallExpr) {
	name := sel.Sel.Name
	if slices.Contains(finishers, name) {
		s.statement(owner, sel, name)
	}
	if len(call.Args) == 0 {
		return
	}
	first := call.Args[0]
	switch {
	case name == "Table":
		s.judgeText(owner, first, true)
	case slices.Contains(whole, name):
		s.judgeText(owner, first, false)
	case slices.Contains(pieces, name):
		for i, arg := range call.Args {
			if s.isText(arg) && (i == 0 || name == "Select" || name == "Distinct") { // others are values
				s.judgeKnown(owner, arg)
			}
		}
	case name == "RenameTable":
		for _, arg := range call.Args {
			s.judgeText(owner, arg, true)
		}
	}
	if slices.Contains(fillers, name) && !s.otherTable(sel.X, 0) {
		if s.isText(first) { // HasTable("orders")
			s.judgeText(owner, first, true)
			return
		}
		s.judgeModel(owner, call, first)
	}
}

// judgeKnown judges a piece of a statement, of which only what is known counts:
// values are given beside it.
func (s *surveyor) judgeKnown(owner string, e ast.Expr) {
	for _, text := range s.texts.of(e) {
		for _, u := range sqltables.In(text) {
			s.judge(owner, s.lineIn(e, text, u, s.place(e)), u)
		}
	}
}

func (s *surveyor) isText(e ast.Expr) bool {
	t := s.info.TypeOf(e)
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}

// statement counts a statement where it is sent. Raw is sent by Scan.
func (s *surveyor) statement(owner string, sel *ast.SelectorExpr, name string) {
	unit := unitOf(owner)
	if unit == kit || unit == assembly || name == "Raw" {
		return
	}
	s.module(unit).Statements++
}

// otherTable tells whether a chain of gorm's methods has said already which
// table it is about, so that what is filled need not be a row of one.
func (s *surveyor) otherTable(e ast.Expr, depth int) bool {
	if depth > 8 {
		return false
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		sel, ok := ast.Unparen(e.Fun).(*ast.SelectorExpr)
		if !ok {
			return false
		}
		if slices.Contains([]string{"Table", "Raw", "Model"}, sel.Sel.Name) {
			return true
		}
		return s.otherTable(sel.X, depth+1)
	case *ast.Ident:
		return slices.ContainsFunc(s.flow.given[s.flow.target(e)], func(g gift) bool { return s.otherTable(g.from, depth+1) })
	}
	return false
}

// readDriver reads what is sent past gorm.
func (s *surveyor) readDriver(owner string, sel *ast.SelectorExpr, call *ast.CallExpr) {
	t := s.info.TypeOf(sel.X)
	if t == nil || !slices.Contains(queries, sel.Sel.Name) {
		return
	}
	named, ok := deref(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return
	}
	from := named.Obj().Pkg().Path()
	if from != "database/sql" && !strings.HasPrefix(from, "github.com/jackc/pgx") {
		return
	}
	s.statement(owner, sel, sel.Sel.Name)
	for _, arg := range call.Args[:min(2, len(call.Args))] {
		if s.isText(arg) {
			s.judgeText(owner, arg, false)
			return
		}
	}
}

// readLiteral reads clause.Table{Name: …}, clause.Expr{SQL: …} and
// pgx.Identifier{"schema", "table"}.
func (s *surveyor) readLiteral(owner string, lit *ast.CompositeLit) {
	t := s.info.TypeOf(lit)
	if t == nil {
		return
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return
	}
	switch name := named.Obj(); {
	case name.Pkg().Path() == clausePath:
		for _, elt := range lit.Elts {
			kv, ok := elt.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, ok := kv.Key.(*ast.Ident)
			switch {
			case !ok:
			case name.Name() == "Table" && key.Name == "Name" && !s.currentTable(kv.Value):
				s.judgeText(owner, kv.Value, true)
			case key.Name == "SQL":
				s.judgeKnown(owner, kv.Value)
			}
		}
	case strings.HasPrefix(name.Pkg().Path(), "github.com/jackc/pgx") && name.Name() == "Identifier" && len(lit.Elts) > 0:
		for i, elt := range lit.Elts[:len(lit.Elts)-1] {
			_ = i
			s.judge(owner, s.place(elt), sqltables.Use{Schema: s.texts.of(elt)[0], Name: s.texts.of(lit.Elts[len(lit.Elts)-1])[0]})
		}
		if len(lit.Elts) == 1 {
			s.judgeText(owner, lit.Elts[0], true)
		}
	}
}

// currentTable knows clause.CurrentTable, by which gorm means the statement's own.
func (s *surveyor) currentTable(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "CurrentTable"
}

// readTag reads the table between two row types from `gorm:"many2many:…"`.
func (s *surveyor) readTag(owner string, field *ast.Field) {
	if field.Tag == nil {
		return
	}
	_, after, found := strings.Cut(field.Tag.Value, "many2many:")
	if !found {
		return
	}
	name := after[:strings.IndexFunc(after+`"`, func(r rune) bool { return r == ';' || r == '"' || r == '`' })]
	for _, u := range sqltables.From(name) {
		s.judge(owner, s.place(field.Tag), u)
	}
}
