package main

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A list that ends at --limit says that there is more, beside the rows and not among
// them, and how to go on.
func TestListSaysThatThereIsMore(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	run := func(args ...string) (out, beside string) {
		var o, e strings.Builder
		require.Equal(t, exitOK, execute(t.Context(), append(args, "--data-dir", data), strings.NewReader(""), &o, &e), e.String())
		return o.String(), e.String()
	}
	list := func(args ...string) (ids []string, beside string) {
		out, beside := run(append([]string{"events", "list", "--from", "catalog", "--json"}, args...)...)
		var rows []struct{ ID string }
		require.NoError(t, json.Unmarshal([]byte(out), &rows))
		for _, row := range rows {
			ids = append(ids, row.ID)
		}
		return ids, beside
	}
	run("import", "../../internal/shopcsv/testdata/apparel.csv")
	all, beside := list("--limit", "1000")
	require.Empty(t, beside)
	require.NotEmpty(t, all)
	exactly, beside := list("--limit", strconv.Itoa(len(all)))
	require.Equal(t, all, exactly)
	require.Empty(t, beside)
	first, beside := list("--limit", "3")
	require.Equal(t, all[:3], first)
	require.Equal(t, "There are more: go on with --before "+all[2]+", or raise --limit.\n", beside)
	rest, beside := list("--before", all[2])
	require.Equal(t, all[3:], rest)
	require.Empty(t, beside)
}
