package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A command that looks after a shop makes none where the folder is mistyped: an audit
// of an empty shop would find nothing wrong.
func TestLookingMakesNoShop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, mistyped := filepath.Join(dir, "empty"), filepath.Join(dir, "mistyped")
	require.NoError(t, os.Mkdir(empty, 0o700))
	for _, command := range []string{
		"audit", "saga list", "saga show x", "saga retry x", "saga compensate x", "events list", "events status",
		"events replay --to search", "events dead list", "events dead show shipping x", "events dead replay shipping",
		"events dead drop shipping x --reason y", "projection list", "projection status statements", "projection rebuild statements",
	} {
		for data, says := range map[string]string{mistyped: "there is no such folder", empty: "there is no sandbox.db"} {
			var out, problems strings.Builder
			args := append(strings.Fields(command), "--data-dir", data)
			require.Equal(t, exitFailed, execute(t.Context(), args, strings.NewReader(""), &out, &problems), command)
			require.Empty(t, out.String(), command)
			require.Contains(t, problems.String(), "no data in "+data+": "+says, command)
			require.Contains(t, problems.String(), "--data-dir", command)
		}
	}
	require.NoDirExists(t, mistyped)
	left, err := os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, left)
}

// What the broker has can be asked for before there is a shop, and makes none.
func TestTopologyMakesNoShop(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"topology"}, {"topology", "users", "../../deploy/compose/broker-users"}} {
		var out, problems strings.Builder
		require.Equal(t, exitOK, execute(t.Context(), append(args, "--data-dir", data), strings.NewReader(""), &out, &problems), problems.String())
		require.NotEmpty(t, out.String())
	}
	require.NoDirExists(t, data)
}
