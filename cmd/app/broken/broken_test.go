package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/patched"
)

const root = "../../.."

// Every breakage still fits today's code, and the documentation tells what caught it.
func TestBreakagesFit(t *testing.T) {
	t.Parallel()
	all, err := load(root)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 10)
	doc, err := os.ReadFile(filepath.Join(root, "docs", "broken-builds.md"))
	require.NoError(t, err)
	for _, b := range all {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			overlay, err := patched.Overlay(t.Context(), root, b.patch, t.TempDir())
			require.NoError(t, err)
			require.FileExists(t, overlay)
			row := "[" + b.Name + "](../" + folder + "/" + b.Name + ".patch) | " + b.Title
			_, rest, ok := strings.Cut(string(doc), row)
			require.True(t, ok, "docs/broken-builds.md lacks %s: run make broken/doc", row)
			row, _, _ = strings.Cut(rest, "\n")
			fits(t, b, row)
		})
	}
	require.Equal(t, len(all), strings.Count(string(doc), folder+"/"), "docs/broken-builds.md tells of others: run make broken/doc")
}

// fits demands that each suite of a breakage is among what the documentation says
// caught it, and that nothing is said but of tests that exist and that the suites run.
func fits(t *testing.T, b breakage, row string) {
	t.Helper()
	told := make([]int, len(b.Tests))
	for _, m := range regexp.MustCompile("`(\\S+) (\\w+)`").FindAllStringSubmatch(row, -1) {
		runs := slices.IndexFunc(b.Tests, func(s suite) bool {
			outer, _, _ := strings.Cut(s.run, "/")
			return s.pkg == "./"+m[1] && regexp.MustCompile(outer).MatchString(m[2])
		})
		require.GreaterOrEqual(t, runs, 0, "docs/broken-builds.md says that %s was caught by %s, which is not run: run make broken/doc ONLY=%s", b.Name, m[0], b.Name)
		told[runs]++
		require.True(t, tests(t, m[1])[m[2]], "there is no %s: run make broken/doc ONLY=%s", m[0], b.Name)
	}
	require.NotContains(t, told, 0, "docs/broken-builds.md does not say that each of %v caught %s: run make broken/doc ONLY=%s", b.Tests, b.Name, b.Name)
}

// tests are the names of those of a package.
func tests(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	return found
}

// Each part that .ci/run tries breaks the shop for tests from outside, for two or three,
// as they take longer than the others, and says by which words each must notice.
func TestEachPartHasItsShareFromOutside(t *testing.T) {
	t.Parallel()
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	require.NoError(t, err)
	const parts = 6
	require.Contains(t, string(ci), fmt.Sprintf("part=$((commits %% %d + 1))/%d", parts, parts))
	all, err := load(root)
	require.NoError(t, err)
	least, most := len(all), 0 // breakages of a part
	for k := range parts {
		some, err := share(all, fmt.Sprintf("%d/%d", k+1, parts))
		require.NoError(t, err)
		var names []string
		for _, b := range some {
			for _, s := range b.Tests {
				if s.outside() {
					names = append(names, b.Name)
					require.NotEmpty(t, s.says, "%s: a shop that does not start is red too; add a line of Says", b.Name)
				}
			}
		}
		require.Contains(t, []int{2, 3}, len(names), "part %d: %v", k+1, names)
		least, most = min(least, len(some)), max(most, len(some))
	}
	require.LessOrEqual(t, most-least, 1, "breakages of a part")
}

func TestStalePatchSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"), 0o600))
	patch := filepath.Join(dir, "x.patch")
	require.NoError(t, os.WriteFile(patch, []byte("Title: t\n more\nPromise: P1\nTests: ./a ^TestX$\nSays: two: charges\nTests: ./b\n\n"+
		"diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1 +1 @@\n-package b\n+package c\n"), 0o600))
	b, err := read(patch)
	require.NoError(t, err)
	require.Equal(t, "t more", b.Title)
	require.Equal(t, []suite{{"./a", "^TestX$", "two: charges"}, {"./b", ".", ""}}, b.Tests)
	require.Equal(t, []string{"a.go"}, b.Files)
	_, err = patched.Overlay(t.Context(), dir, b.patch, t.TempDir())
	require.ErrorContains(t, err, "does not fit any more")

	require.NoError(t, os.WriteFile(patch, []byte("Title: t\n"), 0o600))
	_, err = read(patch)
	require.ErrorContains(t, err, "it needs lines of Title, Promise and Tests")

	require.NoError(t, os.WriteFile(patch, []byte("Title: t\nPromise: P1\nTests: ./a\nSays: (\n\n+++ b/a.go\n"), 0o600))
	_, err = read(patch)
	require.ErrorContains(t, err, "its line of Says")
}

func TestRedIsOnlyWhatTestsSay(t *testing.T) {
	t.Parallel()
	red, err := failures("--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/x (0.1s)\n--- FAIL: TestB (0s)\nFAIL\n")
	require.NoError(t, err)
	require.Equal(t, []string{"TestA", "TestB"}, red)
	red, err = failures("ok  \tx\t0.1s\n")
	require.NoError(t, err)
	require.Empty(t, red)
	for _, out := range []string{"FAIL\tx [build failed]\n", "ok  \tx\t0.1s [no tests to run]\n"} {
		_, err = failures(out)
		require.Error(t, err)
	}
	red, err = failures("\npanic: boom\n")
	require.NoError(t, err)
	require.Equal(t, []string{"(the whole test binary)"}, red)
}

// Red for another reason than the breakage is no proof.
func TestRedMustSayWhy(t *testing.T) {
	t.Parallel()
	const out = "Error: Not equal:\n  expected: 1\n  actual: 2\nMessages: charges of order 7\n"
	require.True(t, says(out, ""))
	require.True(t, says(out, "actual: 2.*charges of"))
	require.False(t, says("the shop did not start", "charges of"))
}

func TestTableGoesBetweenTheMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "doc.md")
	require.Error(t, document(path, nil, nil))
	const kept = "| [w](../p/w.patch) | t | P2 | `d D` |\n"
	require.NoError(t, os.WriteFile(path, []byte("before\n"+from+"\n| head |\n"+kept+"| [gone](../p/gone.patch) | t | P2 | |\n"+until+"\nafter\n"), 0o600))
	tried := []breakage{{Name: "x", Title: "y", Promise: "P1", Caught: []string{"a A", "a B", "a C", "a D", "b D"}}}
	require.NoError(t, document(path, append([]breakage{{Name: "w"}}, tried...), tried))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(got), "before\n"+from+"\n| breakage")
	require.Contains(t, string(got), "|\n"+kept+"| [x]", "what was not tried keeps its row")
	require.Contains(t, string(got), "| P1 | `a A`, `a B`, `a C` and 1 more, `b D` |\n"+until+"\nafter\n")
	require.NotContains(t, string(got), "gone")
}
