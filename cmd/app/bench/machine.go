package main

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Machine is where a run was made.
type Machine struct {
	When     string `json:"when"`
	Cores    int    `json:"cores"`
	Go       string `json:"go"`
	Commit   string `json:"commit,omitempty"`
	Postgres string `json:"postgres,omitempty"`
	Scale    string `json:"scale"` // quick, usual or full
}

func (m Machine) String() string {
	s := fmt.Sprintf("Measured %s on %d cores with %s", m.When, m.Cores, m.Go)
	if m.Postgres != "" {
		s += ", " + m.Postgres
	}
	if m.Commit != "" {
		s += ", at " + m.Commit
	}
	return s + " (" + m.Scale + " run)"
}

func machine(ctx context.Context, b *bench) Machine {
	m := Machine{When: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Cores: runtime.NumCPU(), Go: runtime.Version(), Scale: "usual"}
	if b.quick || b.full {
		m.Scale = map[bool]string{true: "quick", false: "full"}[b.quick]
	}
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	if b.postgres == "" {
		return m
	}
	db, err := sql.Open("pgx", b.postgres)
	if err != nil {
		return m
	}
	defer func() { _ = db.Close() }()
	var version, fsync, commit string
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')").
		Scan(&version, &fsync, &commit); err == nil {
		version, _, _ = strings.Cut(version, " ")
		m.Postgres = fmt.Sprintf("PostgreSQL %s (fsync %s, synchronous_commit %s, for both sides)", version, fsync, commit)
	}
	return m
}
