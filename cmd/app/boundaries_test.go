package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorymodule"
)

// plantedTree is a source tree in which orders joins the payments' table.
func plantedTree(t *testing.T, sql string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                             "module example.com/shop\n",
		"migrations/orders/00001_init.sql":   sql,
		"migrations/payments/00001_init.sql": "CREATE TABLE payments (id text);\n",
		"modules/orders/orders.go":           "// Package orders is a contract.\npackage orders\n",
		"modules/payments/payments.go":       "// Package payments is a contract.\npackage payments\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

const (
	joined = "CREATE TABLE orders (\n    id text,\n    payment_id text REFERENCES payments (id)\n);\n"
	alone  = "CREATE TABLE orders (id text);\n"
)

func boundaries(t *testing.T, args ...string) (code int, out, problems string) {
	t.Helper()
	var o, p strings.Builder
	code = execute(t.Context(), append([]string{"boundaries"}, args...), strings.NewReader(""), &o, &p)
	return code, o.String(), p.String()
}

// What holds the modules together is none of them, and is told of when it is asked for.
func TestBoundariesOfWhatHoldsModulesTogether(t *testing.T) {
	t.Parallel()
	dir := plantedTree(t, alone)
	for _, unit := range []string{"kit", "cmd"} {
		code, out, problems := boundaries(t, unit, "--source", dir)
		require.Equal(t, exitOK, code, problems)
		require.Equal(t, unit+": imports ok · SQL ok · transactions ok → holds modules together\n\nNothing new blocks an extraction.\n", out)
	}
	code, _, problems := boundaries(t, "nobody", "--source", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, problems, `there is no module "nobody"; there are: orders, payments; and what holds them together: kit, cmd`)
}

func TestBoundariesReport(t *testing.T) {
	t.Parallel()
	dir := plantedTree(t, joined)
	code, out, _ := boundaries(t, "--source", dir)
	require.Equal(t, exitFailed, code)
	requireGolden(t, "boundaries.txt", out)

	code, out, _ = boundaries(t, "--source", dir, "--json", "orders")
	require.Equal(t, exitFailed, code)
	var report boundary.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Findings, 1)
	require.Equal(t, 3, report.Findings[0].Line)
	require.False(t, report.Modules[0].Extractable)

	code, _, _ = boundaries(t, "--source", dir, "payments")
	require.Equal(t, exitOK, code, "what blocks orders does not block payments")
	code, _, _ = boundaries(t, "--source", plantedTree(t, alone))
	require.Equal(t, exitOK, code)
}

// This repository is clean, as its users may check too. Who has data has one name, in the
// source and at run time: what is observed of it is told beside what the source says.
func TestBoundariesOfThisRepository(t *testing.T) {
	t.Parallel()
	code, out, problems := boundaries(t)
	require.Equal(t, exitOK, code, out+problems)
	var seen strings.Builder
	all := keeps(config.Defaults())
	for _, m := range all {
		require.Contains(t, "\n"+out, "\n"+m.name+": imports ok (")
		fmt.Fprintf(&seen, `{"module":%q,"other":"x","opened":[],"issued":["x cmd/app/wire.go:5"]}`+"\n", m.name)
	}
	require.Greater(t, len(all), len(modules), "the sandbox has data, too")
	file := filepath.Join(t.TempDir(), "observed.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(seen.String()), 0o600))
	code, out, _ = boundaries(t, "--observed", file)
	require.Equal(t, exitFailed, code)
	for _, m := range all {
		require.Regexp(t, `(?m)^`+m.name+`: imports ok \(\d+ files\) · SQL ok \(\d+ tables?, \d+ statements?\) · transactions 1 finding → `, out)
	}
}

// TestObservedTrespass runs inventory on the data of payments, as a mistake in the wiring
// would: what the guard wrote down of it is told with its line and what to do, and fails.
func TestObservedTrespass(t *testing.T) {
	t.Parallel()
	dir := plantedTree(t, alone)
	file := filepath.Join(t.TempDir(), "observed.jsonl")
	cluster := testenv.Open(t, database.Config{Dir: t.TempDir(), Guard: database.GuardReport, GuardFile: file})
	owner, err := cluster.Module(t.Context(), "inventory", 1)
	require.NoError(t, err)
	require.NoError(t, owner.Migrate(t.Context(), inventorymodule.Migrations()...))
	wrong, err := cluster.Module(t.Context(), "payments", 1)
	require.NoError(t, err)
	code, out, problems := boundaries(t, "--source", dir, "--observed", file)
	require.Equal(t, exitOK, code, out+problems)
	require.Contains(t, out, "Nothing new blocks an extraction.")

	m, err := inventorymodule.New(inventorymodule.Deps{DB: wrong, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = m.Service.Levels(t.Context(), inventory.LevelsRequest{SKUs: []string{"x"}})
	require.Error(t, err, "the table is in another file")
	code, out, problems = boundaries(t, "--source", dir, "--observed", file)
	require.Equal(t, exitFailed, code, out+problems)
	require.Contains(t, out, "payments: imports ok (")
	require.Regexp(t, `SQL 1 finding · .* → cannot be extracted\n\n`+
		`  modules/inventory/internal/store/stock\.go:\d+  SQL\n`+
		`    a statement touched the table stock of inventory while running\n`, out)
	require.Contains(t, out, "issued: ")
	require.Contains(t, out, "    instead: ask the owner through its contract, or keep your own copy from its events\n")
	require.Contains(t, out, "\n1 finding.\n")
	code, _, _ = boundaries(t, "--source", dir, "--observed", file, "orders")
	require.Equal(t, exitOK, code, "it is payments who trespassed")

	// What has data and is no module of the source is told as well.
	require.NoError(t, os.WriteFile(file, []byte(`{"module":"sandbox","other":"orders","opened":[],"issued":["x cmd/app/provider.go:5"]}`+"\n"), 0o600))
	code, out, _ = boundaries(t, "--source", dir, "--observed", file)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "  cmd/app/provider.go:5  transactions\n    data of orders was reached for inside a transaction of sandbox while running\n")

	code, _, problems = boundaries(t, "--source", dir, "--observed", file+".none")
	require.Equal(t, exitFailed, code)
	require.Contains(t, problems, "observed.jsonl.none")
}

func TestBoundariesBaseline(t *testing.T) {
	t.Parallel()
	dir := plantedTree(t, joined)
	file := filepath.Join(dir, "boundaries.baseline.json")
	code, _, problems := boundaries(t, "--source", dir, "--baseline", file)
	require.Equal(t, exitUsage, code)
	require.Contains(t, problems, "--write-baseline")
	code, out, _ := boundaries(t, "--source", dir, "--baseline", file, "--write-baseline")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "1 finding tolerated")

	migration := filepath.Join(dir, "migrations/orders/00001_init.sql")
	require.NoError(t, os.WriteFile(migration, []byte(joined+"DELETE FROM payments;\nDROP TABLE payments;\n"), 0o600))
	code, out, _ = boundaries(t, "--source", dir, "--baseline", file)
	require.Equal(t, exitFailed, code, "a new finding")
	require.Contains(t, out, "2 findings.")
	code, _, problems = boundaries(t, "--source", dir, "--baseline", file, "--write-baseline")
	require.Equal(t, exitFailed, code)
	require.Contains(t, problems, "may only shrink")

	require.NoError(t, os.WriteFile(migration, []byte(alone), 0o600))
	code, out, _ = boundaries(t, "--source", dir, "--baseline", file)
	require.Equal(t, exitFailed, code, "a stale entry")
	require.Contains(t, out, "take the entry out")
	code, _, _ = boundaries(t, "--source", dir, "--baseline", file, "--write-baseline")
	require.Equal(t, exitOK, code)
	code, _, _ = boundaries(t, "--source", dir, "--baseline", file)
	require.Equal(t, exitOK, code)
}

func TestBoundariesGraph(t *testing.T) {
	t.Parallel()
	dir := plantedTree(t, alone)
	picture := filepath.Join(dir, "graph.svg")
	code, out, _ := boundaries(t, "--source", dir, "--graph", "mermaid", "--svg", picture)
	require.Equal(t, exitOK, code)
	require.True(t, strings.HasPrefix(out, "flowchart TD\n"), out)
	svg, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(svg), "<svg "))
}

func TestBoundariesSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	bare := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bare, "go.mod"), []byte("module example.com/x\n"), 0o600))
	for says, args := range map[string][]string{
		"it has no go.mod":             {"--source", empty},
		"has no folder modules":        {"--source", bare},
		`there is no module "nowhere"`: {"nowhere"},
		"only mermaid is known":        {"--graph", "dot"},
		"--write-baseline needs":       {"--write-baseline"},
		"for all modules at once":      {"--write-baseline", "--baseline", "x", "orders"},
	} {
		code, _, problems := boundaries(t, args...)
		require.Equal(t, exitUsage, code, says)
		require.Contains(t, problems, says)
	}
}
