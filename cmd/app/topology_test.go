package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What stands on the broker is on record: a change is seen in review, because a
// queue that is there already cannot be declared otherwise.
func TestTopologyIsOnRecord(t *testing.T) {
	t.Parallel()
	var out, problems strings.Builder
	code := execute(t.Context(), []string{"topology", "--json", "--data-dir", t.TempDir()}, strings.NewReader(""), &out, &problems)
	require.Equal(t, exitOK, code, problems.String())
	requireGolden(t, "topology.json", out.String())
}

func TestTopologyOfSomeModules(t *testing.T) {
	t.Parallel()
	var out, problems strings.Builder
	code := execute(t.Context(), []string{
		"topology", "--data-dir", t.TempDir(), "--modules", "shipping,cart",
		"--amqp-url", "amqp://nobody:nothing@127.0.0.1:1/", "--ports-signing-key", strings.Repeat("k", 32),
	}, strings.NewReader(""), &out, &problems)
	require.Equal(t, exitOK, code, problems.String())
	require.Contains(t, out.String(), "rpc.cart")
	require.Contains(t, out.String(), "events.shipping")
	require.NotContains(t, out.String(), "payments")
}
