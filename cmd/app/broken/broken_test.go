package main

import (
	"os"
	"path/filepath"
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
			require.True(t, strings.Contains(string(doc), row), "docs/broken-builds.md lacks %s: run make broken/doc", row)
		})
	}
	require.Equal(t, len(all), strings.Count(string(doc), folder+"/"), "docs/broken-builds.md tells of others: run make broken/doc")
}

func TestStalePatchSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"), 0o600))
	patch := filepath.Join(dir, "x.patch")
	require.NoError(t, os.WriteFile(patch, []byte("Title: t\n more\nPromise: P1\nTests: ./a ^TestX$\nTests: ./b\n\n"+
		"diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1 +1 @@\n-package b\n+package c\n"), 0o600))
	b, err := read(patch)
	require.NoError(t, err)
	require.Equal(t, "t more", b.Title)
	require.Equal(t, []suite{{"./a", "^TestX$"}, {"./b", "."}}, b.Tests)
	require.Equal(t, []string{"a.go"}, b.Files)
	_, err = patched.Overlay(t.Context(), dir, b.patch, t.TempDir())
	require.ErrorContains(t, err, "does not fit any more")

	require.NoError(t, os.WriteFile(patch, []byte("Title: t\n"), 0o600))
	_, err = read(patch)
	require.ErrorContains(t, err, "it needs lines of Title, Promise and Tests")
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

func TestTableGoesBetweenTheMarkers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "doc.md")
	require.Error(t, document(path, nil, nil))
	const kept = "| [w](../p/w.patch) | t | P2 | `d D` |\n"
	require.NoError(t, os.WriteFile(path, []byte("before\n"+from+"\n| head |\n"+kept+"| [gone](../p/gone.patch) | t | P2 | |\n"+until+"\nafter\n"), 0o600))
	tried := []breakage{{Name: "x", Title: "y", Promise: "P1", Caught: []string{"a A", "b B", "c C", "d D"}}}
	require.NoError(t, document(path, append([]breakage{{Name: "w"}}, tried...), tried))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(got), "before\n"+from+"\n| breakage")
	require.Contains(t, string(got), "|\n"+kept+"| [x]", "what was not tried keeps its row")
	require.Contains(t, string(got), "| P1 | `a A`, `b B`, `c C` and 1 more |\n"+until+"\nafter\n")
	require.NotContains(t, string(got), "gone")
}
