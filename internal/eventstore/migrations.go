package eventstore

import (
	"embed"
	"io/fs"

	"github.com/banyan-tree/banyan/internal/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations are the tables of a module whose state is its events.
func Migrations() database.Migrations {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil { // only a name that is no valid path
		panic(err)
	}
	return database.Migrations{Name: "eventstore", FS: sub}
}
