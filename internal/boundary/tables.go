package boundary

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/arch"
	"github.com/banyan-tree/banyan/internal/sqltables"
)

const (
	askOwner   = "ask the owner through its contract, or keep your own copy from its events"
	bareName   = "write the bare table name: the connection decides where a module's tables are"
	ownTable   = "name a table that the module's own migrations make; give a row type its TableName"
	constTable = "write the table's name as a constant, or choose among constants"
	oneOwner   = "rename one of them: a name has one owner, so that nobody reads the wrong table"
)

// ownerDir is the folder that owns what code or SQL in dir makes:
// modules/orders, modules/payments/sandbox, internal/event.
func ownerDir(dir string) string {
	parts := strings.Split(dir, "/")
	room := arch.RoomOf(dir)
	switch {
	case parts[0] == "migrations" && len(parts) > 1:
		return "modules/" + parts[1]
	case room.Kind == arch.Foreign:
		return strings.Join(parts[:3], "/")
	case len(parts) > 1:
		return strings.Join(parts[:2], "/")
	}
	return dir
}

// systemTable tells whether a table is the database's own.
func systemTable(schema, name string) bool {
	schema = strings.ToLower(schema)
	return schema == "pg_catalog" || schema == "information_schema" ||
		schema == "" && (strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "sqlite_") || strings.HasPrefix(name, "goose_"))
}

// readOwners learns from the migrations whose each table is.
func (s *surveyor) readOwners() {
	s.owners = map[string][]string{}
	for _, script := range s.tree.SQL {
		owner := ownerDir(script.Owner)
		for _, u := range sqltables.In(script.Text) {
			if !u.Creates || slices.Contains(s.owners[u.Name], owner) {
				continue
			}
			s.owners[u.Name] = append(s.owners[u.Name], owner)
			if unit := unitOf(owner); unit != kit {
				m := s.module(unit)
				m.Tables = append(m.Tables, u.Name)
			}
		}
	}
}

// readScripts judges the SQL of migrations.
func (s *surveyor) readScripts() {
	for _, script := range s.tree.SQL {
		owner := ownerDir(script.Owner)
		for _, u := range sqltables.In(script.Text) {
			at := arch.Place{File: script.Path, Line: 1 + strings.Count(script.Text[:min(u.Offset, len(script.Text))], "\n")}
			if who := s.owners[u.Name]; u.Creates && u.Schema == "" && len(who) > 1 {
				other := who[0]
				if other == owner {
					other = who[1]
				}
				s.findSQL(owner, at, fmt.Sprintf("the table %s is made by %s too", u.Name, other), oneOwner)
				continue
			}
			s.judge(owner, at, u)
		}
	}
}

// judge says what is wrong with code of an owner touching a table.
func (s *surveyor) judge(owner string, at arch.Place, u sqltables.Use) {
	if systemTable(u.Schema, u.Name) {
		return
	}
	who := s.owners[strings.ToLower(u.Name)]
	shown := strings.ReplaceAll(u.String(), sqltables.Unknown, "…")
	switch {
	case u.Schema != "" && !strings.Contains(u.Schema, sqltables.Unknown) && u.Schema == unitOf(owner):
		s.findSQL(owner, at, fmt.Sprintf("the table %s is named with its schema", shown), bareName)
	case u.Schema != "" && s.modules[u.Schema] != nil:
		s.findSQL(owner, at, fmt.Sprintf("the table %s belongs to %s", shown, cmp.Or(s.companies[u.Schema], "modules/"+u.Schema)), askOwner)
	case u.Schema != "":
		s.findSQL(owner, at, fmt.Sprintf("the table %s is named with a schema", shown), bareName)
	case slices.Contains(who, owner):
	case strings.Contains(u.Name, sqltables.Unknown):
		if isModule(owner) { // the kit's partitions have names made from dates
			s.findSQL(owner, at, "a statement chooses its table at run time, so nobody can tell whose it is", constTable)
		}
	case len(who) > 0:
		s.findSQL(owner, at, fmt.Sprintf("the table %s belongs to %s", shown, who[0]), askOwner)
	case isModule(owner): // programs may make tables to measure with
		s.findSQL(owner, at, fmt.Sprintf("no migration makes the table %s", shown), ownTable)
	}
}

func (s *surveyor) findSQL(owner string, at arch.Place, what, remedy string) {
	s.find(Finding{Module: unitOf(owner), Plane: SQL, File: at.File, Line: at.Line, What: what, Remedy: remedy})
}

// isModule tells whether an owner of tables is a module, or a company in one.
func isModule(owner string) bool { return strings.HasPrefix(owner, "modules/") }

// folderOf is the folder of a file.
func folderOf(file string) string { return path.Dir(file) }
