package event

import (
	"embed"
	"io/fs"

	"github.com/banyan-tree/banyan/internal/database"
)

//go:embed migrations
var migrations embed.FS

// OutboxMigrations are the tables of a module that publishes events.
func OutboxMigrations() database.Migrations { return migrationsOf("outbox") }

// InboxMigrations are the tables of a module that consumes events.
func InboxMigrations() database.Migrations { return migrationsOf("inbox") }

func migrationsOf(name string) database.Migrations {
	sub, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil { // only a name that is no valid path
		panic(err)
	}
	return database.Migrations{Name: name, FS: sub}
}
