package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
)

// A command that cannot do its work says why, and scripts can tell from its exit
// code whether the settings are to blame.
func TestExecuteSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	broken := filepath.Join(dir, "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("currency: ["), 0o600))
	var made, problems strings.Builder
	require.Equal(t, exitOK, execute(t.Context(), []string{"migrate", "--data-dir", data}, strings.NewReader(""), &made, &problems), problems.String())
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such settings file":  {[]string{"config", "check", "--config", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml"},
		"broken settings file":   {[]string{"config", "check", "--config", broken}, exitUsage, "broken.yaml"},
		"a bad setting":          {[]string{"config", "show", "--http-addr", "nowhere"}, exitUsage, "--http-addr"},
		"a bad setting, checked": {[]string{"config", "check", "--http-addr", "nowhere"}, exitUsage, "--http-addr"},
		"a password that breaks its URL": {
			[]string{"audit", "--database-url", "postgres://a:se@cret@127.0.0.1:1/x"}, exitUsage,
			`--database-url: database.url: "[hidden]" must be postgres://user:password@host:port/database, or empty for SQLite; in its user and password write @ as %40`,
		},
		"a field is refused": {
			[]string{"user", "grant", "nobody@example.com", "--role", "staff", "--data-dir", data}, exitUsage, "--password-stdin: a new user needs a password",
		},
		"a bad e-mail":       {[]string{"user", "grant", "nobody", "--role", "staff", "--data-dir", data}, exitUsage, "EMAIL: an e-mail address"},
		"no such projection": {[]string{"projection", "status", "nope", "--data-dir", data}, exitUsage, `no projection "nope"; see`},
		"events of no type":  {[]string{"events", "list", "--type", "nope", "--data-dir", data}, exitUsage, `--type "nope": a type is a module, a dot`},
		"events of nobody":   {[]string{"events", "list", "--type", "nope.done", "--data-dir", data}, exitUsage, `--type "nope.done": a type is`},
		"events that never were": {
			[]string{"events", "list", "--type", "orders.nope", "--data-dir", data}, exitOK, "No event of the type orders.nope is in any log.",
		},
		"events before none":         {[]string{"events", "list", "--before", "nope", "--data-dir", data}, exitUsage, `--before "nope" is no event's id`},
		"a time that ends too early": {[]string{"events", "list", "--since", "2026-02-01", "--until", "2026-01-01", "--data-dir", data}, exitUsage, "--since 2026-02-01 is not before --until 2026-01-01"},
		"sagas after none":           {[]string{"saga", "list", "--after", "nope", "--data-dir", data}, exitUsage, `--after "nope" is no saga's id`},
		"no role":                    {[]string{"user", "grant", "nobody@example.com", "--data-dir", data}, exitUsage, `"role"`},
		"no role given":              {[]string{"user", "grant", "nobody@example.com", "--role", "", "--data-dir", data}, exitUsage, "--role"},
		"no password, though one was announced": {
			[]string{"user", "grant", "nobody@example.com", "--role", "staff", "--password-stdin", "--data-dir", data},
			exitUsage, "the standard input has no password in its first line",
		},
		"less than one event":    {[]string{"events", "list", "--limit", "-1", "--data-dir", data}, exitUsage, "--limit -1: give 1 to 1000"},
		"no event":               {[]string{"events", "list", "--limit", "0", "--data-dir", data}, exitUsage, "--limit 0: give 1 to 1000"},
		"too many events":        {[]string{"events", "list", "--limit", "1001", "--data-dir", data}, exitUsage, "--limit 1001: give 1 to 1000"},
		"no dead event":          {[]string{"events", "dead", "list", "--limit", "0", "--data-dir", data}, exitUsage, "--limit 0: give 1 to 10000"},
		"a dead event as JSON":   {[]string{"events", "dead", "show", "shipping", "none", "--json", "--data-dir", data}, exitFailed, "none"},
		"too many sagas":         {[]string{"saga", "list", "--limit", "1000", "--data-dir", data}, exitUsage, "--limit 1000: give 1 to 500"},
		"sagas of no such state": {[]string{"saga", "list", "--status", "paused", "--data-dir", data}, exitUsage, `--status: there is no "paused": give running`},
		"an audit without time":  {[]string{"audit", "--timeout", "1ns", "--data-dir", data}, exitFailed, "raise --timeout"},
		"a replay to nobody":     {[]string{"events", "replay", "--to", "nobody", "--data-dir", data}, exitUsage, `no consumer "nobody"`},
		"a replay without the logs for it": {
			append([]string{"events", "replay", "--to", "search", "--data-dir", data}, some("shipping,cart,orders,search")...),
			exitUsage, "that of catalog, inventory, pricing;",
		},
		"no such dead letter": {
			[]string{"events", "dead", "replay", "shipping", "nothing", "--data-dir", filepath.Join(dir, "data")}, exitFailed,
			"shipping has no dead letter nothing: list them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, problems strings.Builder
			require.Equal(t, c.code, execute(t.Context(), c.args, strings.NewReader("\n"), &out, &problems), problems.String())
			require.Contains(t, problems.String(), c.says)
			require.NotContains(t, problems.String(), "cret")
		})
	}
}

// What scripts read has names in lower case, like all other output.
func TestProblemsAsJSON(t *testing.T) {
	t.Parallel()
	var out, problems strings.Builder
	code := execute(t.Context(), []string{"config", "check", "--json", "--currency", "dollars"}, strings.NewReader(""), &out, &problems)
	require.Equal(t, exitUsage, code)
	require.JSONEq(t, `{"ok": false, "problems": [
		{"where": "--currency", "key": "currency", "detail": "\"dollars\" must be the code of a currency, such as USD or EUR"}
	]}`, out.String())
}

// some are the settings of a process that runs some modules; its broker is not there.
func some(modules string) []string {
	return []string{
		"--modules", modules, "--amqp-url", "amqp://nobody:nothing@127.0.0.1:1/", "--ports-signing-key", strings.Repeat("k", 32),
		"--identity-issuer", "http://shop.example",
	}
}

// The processes of docs/rabbitmq.md start with what the page sets.
func TestSettingsOfThePageOnRabbitMQ(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/rabbitmq.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(page), "```sh\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	flags := map[string]string{}
	for _, key := range config.Keys() {
		flags[key.Env] = key.Flag
	}
	var set []string
	checked := 0
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		if export, found := strings.CutPrefix(line, "export "); found {
			name, value, _ := strings.Cut(strings.TrimSpace(export), "=")
			require.Contains(t, flags, name)
			set = append(set, "--"+flags[name], strings.ReplaceAll(value, "$(openssl rand -hex 32)", strings.Repeat("k", 64)))
		}
		if serve, found := strings.CutPrefix(line, "app serve"); found {
			var out, problems strings.Builder
			args := append(append([]string{"config", "check"}, set...), strings.Fields(serve)...)
			require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader(""), &out, &problems), "%s\n%s", line, problems.String())
			checked++
		}
	}
	require.Equal(t, 4, checked)
}
