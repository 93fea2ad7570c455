package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressWithoutTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := time.Unix(0, 0)
	tell := progressLines(&out, func() time.Time { return at }, 5*time.Second)
	for products := range 12 {
		tell(int64(products*10), 120, products)
		at = at.Add(time.Second)
	}
	require.Equal(t, "importing: 5 products, 50 of 120 bytes\nimporting: 10 products, 100 of 120 bytes\n", out.String())
}

// A file that is no product export does not hide what went in before it.
func TestImportTellsWhatWentInBeforeAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	var out, problems strings.Builder
	code := execute(t.Context(), []string{"import", "../../internal/shopcsv/testdata/apparel.csv", empty, "--json", "--data-dir", filepath.Join(dir, "data")},
		strings.NewReader(""), &out, &problems)
	require.Equal(t, exitFailed, code)
	require.Contains(t, problems.String(), "empty.csv")
	require.Contains(t, out.String(), `"created": 20`)
	require.NotContains(t, problems.String(), "stays in", "nothing of this file is in")
}

// Of a file of which nothing was read nothing is in.
func TestImportThatReadNothingHasNothingToGoOnWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, path := range []string{
		filepath.Join(dir, "missing.csv"),
		dir,
		file("columns.csv", "a,b,c\n1,2,3\n"),
		file("utf16.csv", "\xff\xfeH\x00a\x00"),
	} {
		var out, problems strings.Builder
		code := execute(t.Context(), []string{"import", path, "--data-dir", filepath.Join(dir, "data")}, strings.NewReader(""), &out, &problems)
		require.Equal(t, exitFailed, code, problems.String())
		require.Contains(t, problems.String(), path)
		require.NotContains(t, problems.String(), "run it again")
	}
}
