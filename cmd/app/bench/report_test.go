package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func example() Report {
	r := Report{Machine: Machine{When: "2026-11-22 12:00 UTC", Cores: 2, Go: "go1.26", Scale: "usual"}, Rows: []Row{
		{Area: "calls", What: "bare", Unit: "ns", Ours: 15, Limit: 3, Is: "direct call", Bar: oursAtMost(20)},
		{Area: "checkout", What: "PostgreSQL, 16 clients", Unit: "orders/s", Ours: 400, Limit: 1000, Is: "pgbench", Bar: ratioAtLeast(.45)},
		{Area: "checkout", What: "PostgreSQL, p50", Unit: "ms", Ours: 12.3},
	}}
	for i := range r.Rows {
		r.Rows[i].judge()
	}
	return r
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, example().print(&out))
	require.Equal(t, `Measured 2026-11-22 12:00 UTC on 2 cores with go1.26 (usual run)

CALLS  ours   limit  ratio  bar            the limit is
bare   15 ns  3 ns   5×     ≤ 20 ns  pass  direct call

CHECKOUT                ours          limit           ratio  bar            the limit is
PostgreSQL, 16 clients  400 orders/s  1,000 orders/s  0.4×   ≥ 0.45×  MISS  pgbench
PostgreSQL, p50         12.3 ms       –               –                     

1 of 2 bars are reached.
`, out.String())
	require.Contains(t, example().markdown(), "| PostgreSQL, 16 clients | 400 orders/s | 1,000 orders/s | 0.4× | ≥ 0.45× | MISS | pgbench |\n")
}

// What --json printed can be shown again, and put into a document, without measuring.
func TestTableFromJSON(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(example())
	require.NoError(t, err)
	dir := t.TempDir()
	from, doc := filepath.Join(dir, "report.json"), filepath.Join(dir, "performance.md")
	require.NoError(t, os.WriteFile(from, raw, 0o600))
	require.NoError(t, os.WriteFile(doc, []byte("before\n"+tableBegin+"\nold\n"+tableEnd+"\nafter\n"), 0o600))
	var out, stderr bytes.Buffer
	for range 2 { // the markers stay
		require.NoError(t, run(context.Background(), options{from: from, markdown: doc}, &out, &stderr))
	}
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.Equal(t, "before\n"+tableBegin+"\n\n"+example().markdown()+"\n"+tableEnd+"\nafter\n", string(text))
	require.Contains(t, out.String(), "1 of 2 bars")

	require.NoError(t, os.WriteFile(doc, []byte("no markers"), 0o600))
	require.ErrorContains(t, run(context.Background(), options{from: from, markdown: doc}, &out, &stderr), "no place for the table")
	require.ErrorContains(t, run(context.Background(), options{from: doc}, &out, &stderr), "no output of bench --json")
}

// What could not be measured is measured anew, and takes its place in the report.
func TestReportIsCompleted(t *testing.T) {
	t.Parallel()
	broken := example()
	broken.Rows, broken.Failed = broken.Rows[:2], []string{"start", "checkout"}
	anew := Report{Rows: []Row{
		{Area: "checkout", What: "PostgreSQL, 16 clients", Unit: "orders/s", Ours: 500},
		{Area: "checkout", What: "PostgreSQL, p50", Unit: "ms", Ours: 12.3},
	}}
	whole := broken.with(anew, []string{"checkout"})
	require.Equal(t, []Row{broken.Rows[0], anew.Rows[0], anew.Rows[1]}, whole.Rows)
	require.Equal(t, []string{"start"}, whole.Failed)
	require.Equal(t, broken.Machine, whole.Machine)
	require.Equal(t, anew, Report{}.with(anew, nil))

	doc := filepath.Join(t.TempDir(), "performance.md")
	require.NoError(t, os.WriteFile(doc, []byte(tableBegin+tableEnd), 0o600))
	kept, err := whole.save()
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(kept) })
	var out, stderr bytes.Buffer
	require.NoError(t, run(context.Background(), options{from: kept, markdown: doc}, &out, &stderr))
	again := regexp.MustCompile(`--from (\S+) --only start"`).FindStringSubmatch(stderr.String())
	require.NotEmpty(t, again, "it says how to go on: %s", stderr.String())
	t.Cleanup(func() { _ = os.Remove(again[1]) })
	text, err := os.ReadFile(doc)
	require.NoError(t, err)
	require.Equal(t, tableBegin+tableEnd, string(text), "a document gets whole tables only")
}

func TestAreasAreKeptTogether(t *testing.T) {
	t.Parallel()
	r := Report{Rows: []Row{{Area: "start", What: "1"}, {Area: "memory", What: "2"}, {Area: "start", What: "3"}, {Area: "memory", What: "4"}}}
	r.group()
	require.Equal(t, []Row{{Area: "start", What: "1"}, {Area: "start", What: "3"}, {Area: "memory", What: "2"}, {Area: "memory", What: "4"}}, r.Rows)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	o, err := parse([]string{"--quick", "--only", "checkout,events"}, &stderr)
	require.NoError(t, err)
	require.Equal(t, []string{"checkout", "events"}, o.only)
	for _, bad := range [][]string{{"--only", "chekout"}, {"--quick", "--full"}, {"checkout"}} {
		_, err := parse(bad, &stderr)
		require.Error(t, err, bad)
	}
	require.Contains(t, stderr.String(), `nothing is named "chekout"`)
}
