package arch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/arch"
)

// TestRecords checks the decision records: their sections, their index, and
// that every confirmation they name exists.
func TestRecords(t *testing.T) {
	t.Parallel()
	problems, err := arch.CheckRecords(root)
	require.NoError(t, err)
	if len(problems) > 0 {
		t.Errorf("%d problems\n%s", len(problems), strings.Join(problems, "\n"))
	}
}

// TestPromises checks that every test by which a promise is said to be kept exists.
func TestPromises(t *testing.T) {
	t.Parallel()
	problems, err := arch.CheckNames(root, "docs/promises.md")
	require.NoError(t, err)
	require.Empty(t, problems)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("`x/y.TestGone` and `make nothing`, `app audit`"), 0o600))
	problems, err = arch.CheckNames(dir, "a.md")
	require.NoError(t, err)
	require.Len(t, problems, 2)
}

// TestRecordsReject checks that nothing wrong with a record goes unnoticed. Its
// fixture lists what must be said.
func TestRecordsReject(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/records/want.txt")
	require.NoError(t, err)
	problems, err := arch.CheckRecords("testdata/records")
	require.NoError(t, err)
	require.Equal(t, string(want), strings.Join(problems, "\n")+"\n")
}

// TestRecordsAccept checks that a good record is let through, whatever its status.
func TestRecordsAccept(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"proposed", "accepted", "deprecated", "superseded by 0002"} {
		dir := t.TempDir()
		write := func(name, text string) {
			path := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		write("Makefile", "VAR := x\n.PHONY: lint\nlint test: ## both\n\tgo vet\n")
		write("internal/clock/clock_test.go", "package clock\n\nfunc TestTime() {}\n")
		write("docs/adr/README.md", "| 0001 | [Good](0001-good.md) | "+status+" | `make lint` |\n")
		write("docs/adr/0001-good.md", "---\nstatus: "+status+"\n---\n# Good\n## Context\n## Options\n## Outcome\n### Consequences\n### Confirmation\n- `make lint`, `make test` and `internal/clock.TestTime`, see `anything else`\n")
		problems, err := arch.CheckRecords(dir)
		require.NoError(t, err)
		require.Empty(t, problems)
	}
}
