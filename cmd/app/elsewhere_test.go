package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who asks a shop about a module that has moved out is told so, and how to ask where it
// runs: nothing is left out without a word, and no name of a module is called none.
func TestAModuleElsewhereIsToldOf(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var made, problems strings.Builder
	require.Equal(t, exitOK, execute(t.Context(), []string{"migrate", "--data-dir", data}, strings.NewReader(""), &made, &problems), problems.String())
	run := func(modules string, args ...string) (code int, out, beside string) {
		var o, e strings.Builder
		set := append(some(modules), "--data-dir", data, "--payments-provider-url", "http://127.0.0.1:1/", "--payments-api-key", "k", "--payments-webhook-secret", "w")
		code = execute(t.Context(), append(args, set...), strings.NewReader(""), &o, &e)
		return code, o.String(), e.String()
	}
	var here []string
	for _, m := range moduleNames() {
		if m != "payments" {
			here = append(here, m)
		}
	}
	rest := strings.Join(here, ",")
	for what, args := range map[string][]string{
		"--from payments":   {"events", "list", "--from", "payments"},
		"--type payments":   {"events", "list", "--type", "payments.captured"},
		"--to payments":     {"events", "replay", "--to", "payments"},
		"CONSUMER payments": {"events", "dead", "replay", "payments"},
	} {
		code, _, says := run(rest, args...)
		require.Equal(t, exitUsage, code, says)
		require.Contains(t, says, "app: "+what+": another process runs payments: give the same command the settings of", what)
		require.Contains(t, says, "BANYAN_MODULES=payments and BANYAN_IDENTITY_ISSUER=", what)
	}
	const left = "Not in it, because other processes run them: payments."
	code, out, says := run(rest, "events", "status", "--json")
	require.Equal(t, exitOK, code, says)
	require.Contains(t, says, left)
	require.NotContains(t, out, "payments")
	code, _, says = run(rest, "events", "list")
	require.Equal(t, exitOK, code, says)
	require.Contains(t, says, left)
	code, _, says = run(rest, "events", "list", "--from", "catalog")
	require.Equal(t, exitOK, code, says)
	require.NotContains(t, says, left)

	// And what is said helps.
	code, _, says = run("payments", "events", "list", "--from", "payments")
	require.Equal(t, exitOK, code, says)
	code, out, says = run("payments", "events", "status")
	require.Equal(t, exitOK, code, says)
	require.Contains(t, out, "\npayments ")
}
