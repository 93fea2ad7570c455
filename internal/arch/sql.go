package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func sqlRules() []Rule {
	return []Rule{
		{
			Name:   "own-tables",
			Says:   "SQL makes and touches tables of its own module only, and no two owners use the same table name.",
			Remedy: "ask the owner through its contract, or keep your own copy from its events",
			check:  checkOwnTables,
		},
		{
			Name:   "no-schema",
			Says:   "SQL names no schema: the connection decides where a module's tables are, so that they can move.",
			Remedy: "write the bare table name",
			check:  checkNoSchema,
		},
		{
			Name:   "store-own-tables",
			Says:   "SQL in Go code names no table of another owner.",
			Remedy: "ask the owner through its contract, or keep your own copy from its events",
			check:  checkStoreTables,
		},
	}
}

const tableName = `([\w".]+)`

var (
	creates = regexp.MustCompile(`(?i)\bCREATE\s+(?:VIRTUAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?` + tableName)
	// touches are the words that name a table which must be the script's own.
	touches = regexp.MustCompile(`(?i)(?:\b(?:ALTER|DROP|TRUNCATE)\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?|\bREFERENCES\s+|\bINSERT\s+INTO\s+|\bDELETE\s+FROM\s+|\bPARTITION\s+OF\s+)` + tableName)
	updates = regexp.MustCompile(`(?i)\bUPDATE\s+` + tableName + `\s+SET\b`)
	indexes = regexp.MustCompile(`(?i)\bINDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?[\w"]+\s+ON\s+` + tableName)
	reads   = regexp.MustCompile(`(?i)\b(?:FROM|JOIN)\s+` + tableName)
	schemas = regexp.MustCompile(`(?i)\b(?:CREATE\s+SCHEMA|SET\s+(?:LOCAL\s+)?search_path)\b`)
	// inGo is SQL in a Go string, where only capitals are taken for SQL.
	inGo = regexp.MustCompile(`\b(?:FROM|JOIN|INTO|UPDATE)\s+"?(\w+)"?`)
)

// eachTable calls f for the names of tables a pattern finds.
func (s *Script) eachTable(pattern *regexp.Regexp, f func(at Place, table string)) {
	for _, m := range pattern.FindAllStringSubmatchIndex(s.Text, -1) {
		f(s.place(m[2]), strings.ToLower(strings.ReplaceAll(s.Text[m[2]:m[3]], `"`, "")))
	}
}

func (s *Script) place(offset int) Place {
	return Place{s.Path, 1 + strings.Count(s.Text[:offset], "\n")}
}

// owners names who makes each table.
func (t *Tree) owners() map[string][]string {
	owners := map[string][]string{}
	for _, s := range t.SQL {
		s.eachTable(creates, func(_ Place, table string) {
			if !slices.Contains(owners[table], s.Owner) {
				owners[table] = append(owners[table], s.Owner)
			}
		})
	}
	return owners
}

func checkOwnTables(t *Tree, found func(Place, string, ...any)) {
	owners := t.owners()
	for _, s := range t.SQL {
		s.eachTable(creates, func(at Place, table string) {
			for _, other := range owners[table] {
				if other != s.Owner {
					found(at, "table %s is also made by %s", table, other)
				}
			}
		})
		for _, pattern := range []*regexp.Regexp{touches, updates, indexes} {
			s.eachTable(pattern, func(at Place, table string) {
				if !strings.Contains(table, ".") && !slices.Contains(owners[table], s.Owner) {
					found(at, "table %s is not made by %s", table, s.Owner)
				}
			})
		}
		s.eachTable(reads, func(at Place, table string) {
			if who := owners[table]; len(who) > 0 && !slices.Contains(who, s.Owner) {
				found(at, "table %s belongs to %s", table, who[0])
			}
		})
	}
}

func checkNoSchema(t *Tree, found func(Place, string, ...any)) {
	for _, s := range t.SQL {
		for _, pattern := range []*regexp.Regexp{creates, touches, updates, indexes, reads} {
			s.eachTable(pattern, func(at Place, table string) {
				if strings.Contains(table, ".") {
					found(at, "table %s is named with its schema", table)
				}
			})
		}
		for _, m := range schemas.FindAllStringIndex(s.Text, -1) {
			found(s.place(m[0]), "%s", s.Text[m[0]:m[1]])
		}
	}
}

func checkStoreTables(t *Tree, found func(Place, string, ...any)) {
	owners := t.owners()
	foreign := func(s *Source, table string) (string, bool) {
		who := owners[strings.ToLower(table)]
		mine := func(owner string) bool {
			return s.Dir == owner || within(s.Dir, owner) && !nested(owners, s.Dir, owner)
		}
		if len(who) == 0 || slices.ContainsFunc(who, mine) {
			return "", false
		}
		return who[0], true
	}
	for _, s := range t.Go {
		if s.testing() || s.Room.Context == "" && !within(s.Dir, "internal") {
			continue
		}
		s.inspect(func(n ast.Node) {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				return
			}
			for _, m := range inGo.FindAllStringSubmatch(text, -1) {
				if who, bad := foreign(s, m[1]); bad {
					found(s.at(lit), "SQL names the table %s of %s", m[1], who)
				}
			}
		})
		for _, name := range s.tableNames() {
			text, _ := strconv.Unquote(name.Value)
			if who, bad := foreign(s, text); bad {
				found(s.at(name), "a row type is stored in the table %s of %s", text, who)
			}
		}
	}
}

// nested tells whether dir belongs to an owner that lies inside another one, as
// payments/sandbox does in payments.
func nested(owners map[string][]string, dir, outer string) bool {
	for _, list := range owners {
		for _, owner := range list {
			if owner != outer && within(owner, outer) && within(dir, owner) {
				return true
			}
		}
	}
	return false
}

// tableNames gives the texts that name a table to gorm: what a method TableName
// returns, and the argument of Table.
func (s *Source) tableNames() []*ast.BasicLit {
	var list []*ast.BasicLit
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			list = append(list, lit)
		}
	}
	s.inspect(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name != "TableName" || n.Body == nil {
				return
			}
			for _, stmt := range n.Body.List {
				if ret, ok := stmt.(*ast.ReturnStmt); ok && len(ret.Results) == 1 {
					add(ret.Results[0])
				}
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Table" && len(n.Args) > 0 {
				add(n.Args[0])
			}
		}
	})
	return list
}

// withoutComments blanks comments and the texts in quotes, and keeps every
// line where it is.
func withoutComments(text string) string {
	out := []byte(text)
	for i := 0; i < len(out); i++ {
		switch {
		case strings.HasPrefix(text[i:], "--"):
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		case out[i] == '\'':
			for i++; i < len(out) && out[i] != '\''; i++ {
				if out[i] != '\n' {
					out[i] = ' '
				}
			}
		}
	}
	return string(out)
}
