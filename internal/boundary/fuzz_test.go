package boundary_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
)

// FuzzObserved: a file of observations is read into findings that can be shown, each
// of them once, or it is an error that says where.
func FuzzObserved(f *testing.F) {
	file := filepath.Join(f.TempDir(), "seen.jsonl")
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		list, err := boundary.ReadObserved(file)
		if err != nil {
			require.Empty(t, list)
			require.ErrorContains(t, err, "read what was observed: ")
			require.Regexp(t, `seen\.jsonl:[1-9]\d*: |token too long`, err.Error())
			return
		}
		require.LessOrEqual(t, len(list), strings.Count(text, "\n")+1)
		seen := map[boundary.Known]bool{}
		for _, found := range list {
			require.Contains(t, []boundary.Plane{boundary.SQL, boundary.Transactions}, found.Plane)
			require.NotEmpty(t, found.Remedy)
			require.True(t, found.File == "(unknown)" || regexp.MustCompile(`^(modules|cmd|internal|migrations)/\S+\.go$`).MatchString(found.File), "%q", found.File)
			require.GreaterOrEqual(t, found.Line, 0)
			key := boundary.Known{File: found.File, What: found.What, Count: found.Line}
			require.False(t, seen[key], "it is told twice: %+v", found)
			seen[key] = true
		}
	})
}

// FuzzBaseline: a baseline is read, and then tolerates just what it lists and is written
// again as the same, or it is an error that names the file.
func FuzzBaseline(f *testing.F) {
	dir := f.TempDir()
	file, copied := filepath.Join(dir, "baseline.json"), filepath.Join(dir, "copy.json")
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		base, err := boundary.ReadBaseline(file)
		if err != nil {
			require.Nil(t, base)
			require.ErrorContains(t, err, "read the baseline "+file)
			return
		}
		_, tolerated, stale := base.Compare(nil)
		require.Empty(t, tolerated)
		require.Len(t, stale, len(base.Findings), "what is not found any more may not stay")
		var all []boundary.Finding
		for _, k := range base.Findings {
			require.Positive(t, k.Count)
			if k.Count > 100 || len(all) > 1000 || regexp.MustCompile(`(\.go|\.sql):\d`).MatchString(k.What) {
				return // too many to make, or what no finding is called
			}
			for range k.Count {
				all = append(all, boundary.Finding{Module: k.Module, Plane: k.Plane, File: k.File, What: k.What})
			}
		}
		fresh, tolerated, stale := base.Compare(all)
		require.Empty(t, fresh)
		require.Empty(t, stale)
		require.Equal(t, all, append([]boundary.Finding(nil), tolerated...))
		require.NoError(t, os.RemoveAll(copied))
		require.NoError(t, boundary.WriteBaseline(copied, all))
		again, err := boundary.ReadBaseline(copied)
		require.NoError(t, err)
		require.ElementsMatch(t, base.Findings, again.Findings)
	})
}
