package arch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/arch"
)

const (
	root   = "../.."
	module = "github.com/banyan-tree/banyan"
	shop   = "example.com/shop" // the module of every fixture
)

func load(t *testing.T, dir, module string) *arch.Tree {
	t.Helper()
	tree, err := arch.Load(dir, module)
	require.NoError(t, err)
	require.NotEmpty(t, tree.Go, "no Go files below %s", dir)
	return tree
}

func report(list []arch.Violation) string {
	lines := make([]string, len(list))
	for i, v := range list {
		lines[i] = v.String()
	}
	return strings.Join(lines, "\n")
}

// TestRepository checks this repository against every rule, a subtest each.
func TestRepository(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	require.Contains(t, string(mod), "module "+module+"\n")
	tree := load(t, root, module)
	require.NotEmpty(t, tree.SQL)
	rooms := map[arch.Kind]bool{}
	for _, s := range tree.Go {
		rooms[s.Room.Kind] = true
	}
	for _, kind := range []arch.Kind{arch.Contract, arch.Handlers, arch.Kit, arch.Door, arch.Core, arch.Store, arch.Inner, arch.Foreign} {
		require.True(t, rooms[kind], "no file lies in the room %q: were folders renamed?", kind)
	}
	for _, rule := range arch.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			if list := rule.Check(tree); len(list) > 0 {
				t.Errorf("%d violations\n%s", len(list), report(list))
			}
		})
	}
}

// TestRulesReject checks each rule against a tree made to break it: the lines
// marked "want" must be reported, and no other.
func TestRulesReject(t *testing.T) {
	t.Parallel()
	for _, rule := range arch.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", rule.Name)
			want := wanted(t, dir)
			require.NotEmpty(t, want, "the fixture marks no line")
			var have []string
			for _, v := range rule.Check(load(t, dir, shop)) {
				if line := fmt.Sprintf("%s:%d", v.File, v.Line); len(have) == 0 || have[len(have)-1] != line {
					have = append(have, line)
				}
				require.Contains(t, v.String(), rule.Says)
				require.Contains(t, v.String(), rule.Remedy)
			}
			require.ElementsMatch(t, want, have)
		})
	}
}

// TestRulesAccept checks that a clean shop breaks no rule.
func TestRulesAccept(t *testing.T) {
	t.Parallel()
	tree := load(t, "testdata/clean", shop)
	for _, rule := range arch.Rules() {
		require.Empty(t, report(rule.Check(tree)))
	}
}

// TestRulesAreNamed checks that rules can be told apart and understood, and that
// no fixture is left of a rule that is gone.
func TestRulesAreNamed(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"clean": true, "records": true}
	for _, rule := range arch.Rules() {
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, rule.Name)
		require.False(t, known[rule.Name], "two rules are named %s", rule.Name)
		require.True(t, strings.HasSuffix(rule.Says, "."), "%s: write a sentence", rule.Name)
		require.NotEmpty(t, rule.Remedy, rule.Name)
		known[rule.Name] = true
	}
	fixtures, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, f := range fixtures {
		require.True(t, known[f.Name()], "testdata/%s belongs to no rule", f.Name())
	}
}

// wanted gives the lines of a fixture that end in a comment "want".
func wanted(t *testing.T, dir string) []string {
	t.Helper()
	mark := regexp.MustCompile(`(//|--) want$`)
	var list []string
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
			if mark.MatchString(line) {
				list = append(list, fmt.Sprintf("%s:%d", filepath.ToSlash(rel), i+1))
			}
		}
		return err
	}))
	return list
}
