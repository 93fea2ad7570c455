package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHelp asks every command what it is for. The commands are found in the help
// of their parents, so none is forgotten.
func TestHelp(t *testing.T) {
	t.Parallel()
	at := newSite(t)
	seen := 0
	var ask func(path ...string)
	ask = func(path ...string) {
		help := at.ok(t, append(path, "--help")...)
		seen++
		subs := subCommands(help)
		for _, sub := range subs {
			ask(append(path[:len(path):len(path)], sub)...)
		}
		if len(subs) == 0 {
			require.Contains(t, help, "Examples:\n  ", "app %s --help", strings.Join(path, " "))
		}
		r := at.app(t, append(path, "--no-such-flag")...)
		require.Equal(t, 2, r.code, "app %v --no-such-flag: %s", path, r.stderr)
		require.Contains(t, r.stderr, "--no-such-flag")
		require.Contains(t, r.stderr, "--help")
	}
	ask()
	require.Greater(t, seen, 20)
	require.Equal(t, 2, at.app(t, "no-such-command").code)
	require.Equal(t, 2, at.app(t, "saga", "no-such-command").code)
	require.Equal(t, 2, at.app(t, "import").code, "an argument is missing")
	require.Equal(t, 2, at.app(t, "events", "replay").code, "a flag is missing")
	_, err := os.Stat(at.data)
	require.ErrorIs(t, err, os.ErrNotExist, "asking for help leaves nothing behind")
}

// subCommands are those that a help page lists.
func subCommands(help string) []string {
	_, list, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var names []string
	for _, found := range regexp.MustCompile(`(?m)^  (\S+)`).FindAllStringSubmatch(list, -1) {
		if found[1] != "help" && found[1] != "completion" {
			names = append(names, found[1])
		}
	}
	return names
}

// TestConfigCheck lists everything that is wrong at once, and exits with 2.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	at := newSite(t)
	require.Contains(t, at.ok(t, "config", "check"), "fine")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("log:\n  level: loud\nshutdown_timeout: soon\nno_such_key: 1\ncurrency: dollars\n"), 0o600))
	loud := at
	loud.settings = nil // the environment would win over the file
	for _, v := range at.settings {
		if !strings.HasPrefix(v, "BANYAN_LOG_LEVEL=") {
			loud.settings = append(loud.settings, v)
		}
	}
	for _, args := range [][]string{{"config", "check"}, {"serve"}, {"migrate", "--status"}} {
		r := loud.app(t, append(args, "--config", broken)...)
		require.Equal(t, 2, r.code, r.stderr)
		for _, problem := range []string{"log.level", "shutdown_timeout", "no_such_key", "currency", "broken.yaml"} {
			require.Contains(t, r.stderr, problem)
		}
	}
	r := loud.app(t, "config", "check", "--json", "--config", broken)
	require.Equal(t, 2, r.code)
	var list struct {
		OK       bool
		Problems []object
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &list), r.stdout)
	require.False(t, list.OK)
	require.Len(t, list.Problems, 4)
	require.Equal(t, 2, at.with("BANYAN_NO_SUCH_SETTING=1").app(t, "config", "check").code)
}

// TestCommands reads what the commands print for scripts, beside a running shop.
func TestCommands(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		order := s.customer(t).buy(t, staple, 1, "tok_visa")
		id := order.text("id")

		var version map[string]string
		s.json(t, &version, "version", "--json")
		require.NotEmpty(t, version["version"])

		var migrations []struct {
			Module, Set      string
			Version, Pending int64
		}
		s.json(t, &migrations, "migrate", "--status", "--json")
		modules := map[string]bool{}
		for _, m := range migrations {
			require.Zero(t, m.Pending, "%+v", m)
			require.Positive(t, m.Version, "%+v", m)
			modules[m.Module] = true
		}
		require.Len(t, modules, 8)

		var sagas []object
		s.json(t, &sagas, "saga", "list", "--json")
		ids := map[any]bool{}
		for _, saga := range sagas {
			ids[saga["id"]] = true
		}
		require.True(t, ids[id], "the checkout of the order: %v", sagas)
		var saga object
		s.json(t, &saga, "saga", "show", id, "--json")
		require.NotEmpty(t, saga["history"])
		require.NotContains(t, s.ok(t, "saga", "show", id, "--json"), "tok_visa", "the card is forgotten")

		var events []object
		s.json(t, &events, "events", "list", "--from", "orders", "--aggregate", id, "--json")
		require.NotEmpty(t, events)
		var status any
		s.json(t, &status, "events", "status", "--json")
		require.NotEmpty(t, status)
		var dead []object
		s.json(t, &dead, "events", "dead", "list", "--json")
		require.Empty(t, dead)
		require.Equal(t, 2, s.app(t, "events", "list", "--from", "nobody").code)

		var settings any
		s.json(t, &settings, "config", "show", "--json")
		require.NotEmpty(t, settings)
		s.audited(t)
		s.grants(t)
	})
}

// json runs a command and reads its standard output.
func (s *server) json(t *testing.T, into any, args ...string) {
	t.Helper()
	out := s.ok(t, args...)
	require.NoError(t, json.Unmarshal([]byte(out), into), "app %s: %s", strings.Join(args, " "), out)
}

// grants makes a customer staff, by the command line.
func (s *server) grants(t *testing.T) {
	t.Helper()
	const email = "clerk@example.com"
	clerk := object{"email": email, "password": password, "name": "Clerk"}
	s.anyone().do(t, http.StatusCreated, http.MethodPost, "/users", clerk)
	s.logIn(t, email, password).refused(t, http.StatusForbidden, "forbidden", http.MethodPut, "/stock/new-thing", object{"on_hand": 1})
	require.Contains(t, s.ok(t, "user", "grant", email, "--role", "staff"), "staff")
	s.logIn(t, email, password).do(t, http.StatusOK, http.MethodPut, "/stock/new-thing", object{"on_hand": 1})
	require.Equal(t, 2, s.app(t, "user", "grant", email, "--role", "king").code)
}
