package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestWalkThrough does what the README tells a newcomer to do, word for word.
func TestWalkThrough(t *testing.T) {
	t.Parallel()
	blocks := walk(t)
	shoptest.OnSome(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at.With("BANYAN_RATE_LIMIT=on"))
		// A busy machine needs more tries than a newcomer has patience.
		walked(t, blocks, paste(t, blocks, append(s.Environ(), "TRIES=1200", "SHOP="+s.Shop, "OPS="+s.Ops, "DATA="+s.Data, "APP="+shoptest.Binary())))
	})
}

// walked judges what the blocks of the walk-through printed.
func walked(t *testing.T, blocks, out []string) {
	t.Helper()
	require.Len(t, out, len(blocks), "a block printed nothing or the walk stopped: %q", out)

	require.Contains(t, out[1], `"handle":"fiddle-leaf-fig"`)
	require.Contains(t, out[1], `"email":"ada@example.com"`)
	require.Contains(t, lines(out[2]), "confirmed")

	sent := lines(out[3])
	require.Contains(t, sent[0], `"status":"dispatched"`)
	require.Contains(t, sent[1], `"status":"delivered"`)
	require.Contains(t, sent[2], `"status":"delivered"`)
	require.Contains(t, sent[2], `"history":[`)

	undone := lines(out[4])
	require.Len(t, undone, 5)
	require.Equal(t, []string{"cancelled", "cart.empty", "payment.declined"}, undone[1:4])
	require.Contains(t, undone[0], `"on_hand":`)
	require.Equal(t, undone[0], undone[4], "the stock came back")

	require.Equal(t, 1, strings.Count(out[5], `"id":`), "one charge: %s", out[5])
	require.Contains(t, out[5], `"status":"captured"`)
	require.Contains(t, lines(out[5]), "No violation found.")

	filled := out[6]
	require.Contains(t, filled, `"amount":{"amount":20000,"currency":"USD"},"payment_id":"`)
	require.Contains(t, filled, `{"balance":{"amount":0,"currency":"USD"},"available":{"amount":0,"currency":"USD"},"version":0}`, "before all")
	require.Contains(t, filled, `"type":"deposited"`)
	require.Contains(t, filled, `"closing":{"amount":`)
	require.Contains(t, lines(filled), "confirmed")
	require.Regexp(t, `"balance":\{"amount":2\d{4},"currency":"USD"\},"available":\{"amount":1\d{4},"currency":"USD"\}`, filled, "a part is held")

	require.Contains(t, out[7], `"handle":"terracotta-planter"`)
	require.Contains(t, out[7], `<mark>clay</mark>`)
}

// walk gives the blocks of the README that are fenced with "sh walk".
func walk(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^```sh walk\n(.*?)^```$").FindAllSubmatch(readme, -1) {
		blocks = append(blocks, string(found[1]))
	}
	require.GreaterOrEqual(t, len(blocks), 8, "the walk-through of the README")
	return blocks
}

// paste runs the blocks in one shell, as if they were pasted into a terminal,
// but strictly, and gives what each printed.
func paste(t *testing.T, blocks, environ []string) []string {
	t.Helper()
	const mark = "=== block"
	script := "set -eu -o pipefail\n" + strings.Join(blocks, "\necho '"+mark+"'\n")
	ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "stdout: %s\nstderr: %s", &stdout, &stderr)
	for line := range strings.Lines(stderr.String()) {
		require.Contains(t, line, `msg="slow statement"`, "a busy machine is no error; anything else is")
	}
	return strings.Split(stdout.String(), mark+"\n")
}

func lines(s string) []string {
	return strings.Split(strings.TrimSpace(s), "\n")
}
