// Package migrations holds the SQL of every module: one folder is one schema
// and has one owner. The SQL runs unchanged on SQLite and PostgreSQL; a file
// named *.postgres.sql or *.sqlite.sql is only for that dialect.
package migrations

import (
	"embed"
	"io/fs"

	"github.com/banyan-tree/banyan/internal/database"
)

//go:embed */*.sql
var files embed.FS

// Of gives the migrations of one module, named after it.
func Of(module string) database.Migrations {
	sub, err := fs.Sub(files, module)
	if err != nil { // only for a name that is no valid path: a mistake in the code
		panic(err)
	}
	return database.Migrations{Name: module, FS: sub}
}
