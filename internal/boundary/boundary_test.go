package boundary_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
)

const (
	root   = "../.."
	module = "github.com/banyan-tree/banyan"
	shop   = "example.com/shop" // the module of the corpus
)

// corpus lays parts of testdata over each other in a folder of the test.
func corpus(t *testing.T, parts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range parts {
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", part))))
	}
	return dir
}

func read(t *testing.T, dir, module string) *boundary.Survey {
	t.Helper()
	s, err := boundary.Read(dir, module)
	require.NoError(t, err)
	return s
}

func shown(list []boundary.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s:%d: %s: %s: %s %q\n", f.File, f.Line, f.Plane, f.Module, f.What, f.Via)
	}
	return b.String()
}

// TestRepository is the promise that every module of this repository can be
// taken out.
func TestRepository(t *testing.T) {
	t.Parallel()
	s := read(t, root, module)
	require.Empty(t, shown(s.Findings))
	require.GreaterOrEqual(t, len(s.Modules), 8)
	for _, m := range s.Modules {
		require.NotEmpty(t, m.Tables, "%s: no table was found", m.Name)
		require.NotZero(t, m.Statements, "%s: no statement was found", m.Name)
		require.NotZero(t, m.Transactions, "%s: no transaction was found", m.Name)
	}
}

// TestLookalikes checks that what only looks like a violation is none.
func TestLookalikes(t *testing.T) {
	t.Parallel()
	s := read(t, corpus(t, "base", "lookalikes"), shop)
	require.Empty(t, shown(s.Findings))
	for _, m := range s.Modules {
		if m.Name == "orders" {
			require.Equal(t, []string{"order_lines", "order_notes", "orders"}, m.Tables)
			require.NotZero(t, m.Transactions)
		}
	}
}

// TestPlanted checks that every planted violation is found at its line, on its
// plane, and that nothing else is. A line says what is wanted:
//
//	… // want SQL "the table payments belongs to"
func TestPlanted(t *testing.T) {
	t.Parallel()
	mark := regexp.MustCompile(`(?://|--) want (imports|SQL|transactions) "([^"]*)"`)
	for _, plane := range boundary.Planes() {
		t.Run(string(plane), func(t *testing.T) {
			t.Parallel()
			dir := corpus(t, "base", "lookalikes", "planted/"+strings.ToLower(string(plane)))
			want := map[string]string{}
			require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(dir, name)
				for i, line := range strings.Split(string(text), "\n") {
					for _, m := range mark.FindAllStringSubmatch(line, -1) {
						require.Equal(t, string(plane), m[1])
						want[fmt.Sprintf("%s:%d", filepath.ToSlash(rel), i+1)] = m[2]
					}
				}
				return err
			}))
			require.GreaterOrEqual(t, len(want), 8, "too few are planted")
			s := read(t, dir, shop)
			found := map[string]bool{}
			for _, f := range s.Findings {
				at := fmt.Sprintf("%s:%d", f.File, f.Line)
				says, planted := want[at]
				require.True(t, planted && f.Plane == plane, "a false alarm:\n%s", shown([]boundary.Finding{f}))
				require.Contains(t, f.What, says, at)
				require.NotEmpty(t, f.Remedy, at)
				require.NotEmpty(t, f.Module, at)
				found[at] = true
			}
			for at := range want {
				require.True(t, found[at], "%s was not found; these were:\n%s", at, shown(s.Findings))
			}
		})
	}
}
