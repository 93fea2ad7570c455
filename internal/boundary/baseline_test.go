package boundary_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/boundary"
)

func finding(file string, line int, what string) boundary.Finding {
	return boundary.Finding{Module: "orders", Plane: boundary.SQL, File: file, Line: line, What: what, Remedy: "mend it"}
}

// TestBaselineOnlyShrinks goes through the life of a baseline.
func TestBaselineOnlyShrinks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "boundaries.baseline.json")
	none, err := boundary.ReadBaseline(file)
	require.NoError(t, err)
	require.Nil(t, none)

	a, again, b := finding("a.go", 1, "x, opened at b.go:7"), finding("a.go", 2, "x, opened at b.go:9"), finding("b.go", 3, "y")
	require.NoError(t, boundary.WriteBaseline(file, []boundary.Finding{a, again, b}))
	base, err := boundary.ReadBaseline(file)
	require.NoError(t, err)
	fresh, tolerated, stale := base.Compare([]boundary.Finding{finding("a.go", 50, "x, opened at b.go:70"), again, b})
	require.Empty(t, fresh, "lines may move")
	require.Len(t, tolerated, 3)
	require.Empty(t, stale)

	fresh, _, _ = base.Compare([]boundary.Finding{a, again, again, b})
	require.Len(t, fresh, 1, "one more of the same is new")
	fresh, _, stale = base.Compare([]boundary.Finding{a, finding("c.go", 1, "y")})
	require.Equal(t, []boundary.Finding{finding("c.go", 1, "y")}, fresh)
	require.Len(t, stale, 2, "one of a.go is gone, and that of b.go")

	before, err := os.ReadFile(file)
	require.NoError(t, err)
	err = boundary.WriteBaseline(file, []boundary.Finding{a, finding("c.go", 1, "y")})
	require.ErrorContains(t, err, "may only shrink")
	require.ErrorContains(t, err, "c.go:1")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "a refused baseline is left as it is")

	require.NoError(t, boundary.WriteBaseline(file, []boundary.Finding{a}))
	base, err = boundary.ReadBaseline(file)
	require.NoError(t, err)
	require.Equal(t, 1, base.Findings[0].Count)
	require.Len(t, base.Findings, 1)
	fresh, _, _ = base.Compare([]boundary.Finding{a, again})
	require.Len(t, fresh, 1, "what was taken out cannot come back")
}

func TestBaselineIsReadStrictly(t *testing.T) {
	t.Parallel()
	entry := `{"module":"a","plane":"SQL","file":"a.go","what":"x","count":1}`
	for text, says := range map[string]string{
		`{`:                        "unexpected EOF",
		`{"findings":[],"more":1}`: "more",
		`{"findings":[` + entry + `,` + entry + `]}`:                             "twice",
		strings.Replace(`{"findings":[`+entry+`]}`, `"count":1`, `"count":0`, 1): "at least 1",
	} {
		file := filepath.Join(t.TempDir(), "b.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := boundary.ReadBaseline(file)
		require.ErrorContains(t, err, says)
	}
}

func TestObserved(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seen.jsonl")
	line := `{"module":"orders","other":"payments","table":"payments","statement":"SELECT 1 FROM payments",` +
		`"opened":["core.(*Service).Place github.com/banyan-tree/banyan/modules/orders/internal/core/placement.go:31"],` +
		`"issued":["gorm.(*DB).Find gorm.io/gorm@v1/finisher.go:1","database.x /src/internal/database/guard.go:9","store.(*Store).Get /src/modules/orders/internal/store/store.go:77"]}`
	crossing := `{"module":"orders","other":"payments","opened":[],"issued":["x cmd/app/wire.go:5"]}`
	require.NoError(t, os.WriteFile(file, []byte(line+"\n"+line+"\n\n"+crossing+"\n"), 0o600))
	list, err := boundary.ReadObserved(file)
	require.NoError(t, err)
	require.Len(t, list, 2, "the same is told once")
	require.Equal(t, "modules/orders/internal/store/store.go", list[0].File)
	require.Equal(t, 77, list[0].Line)
	require.Equal(t, boundary.SQL, list[0].Plane)
	require.Len(t, list[0].Via, 4)
	require.Equal(t, boundary.Transactions, list[1].Plane)
	require.Equal(t, "cmd/app/wire.go", list[1].File)

	require.NoError(t, os.WriteFile(file, []byte("{\n"), 0o600))
	_, err = boundary.ReadObserved(file)
	require.ErrorContains(t, err, "seen.jsonl:1")
	_, err = boundary.ReadObserved(file + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}
