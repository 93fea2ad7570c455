package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestHelp asks every command what it is for. The commands are found in the help
// of their parents, so none is forgotten.
func TestHelp(t *testing.T) {
	t.Parallel()
	at := shoptest.NewSite(t)
	seen := 0
	var ask func(path ...string)
	ask = func(path ...string) {
		help := at.OK(t, append(path, "--help")...)
		seen++
		subs := subCommands(help)
		for _, sub := range subs {
			ask(append(path[:len(path):len(path)], sub)...)
		}
		if len(subs) == 0 {
			require.Contains(t, help, "Examples:\n  ", "app %s --help", strings.Join(path, " "))
		}
		r := at.App(t, append(path, "--no-such-flag")...)
		require.Equal(t, 2, r.Code, "app %v --no-such-flag: %s", path, r.Stderr)
		require.Contains(t, r.Stderr, "--no-such-flag")
		require.Contains(t, r.Stderr, "--help")
	}
	ask()
	require.Greater(t, seen, 20)
	require.Equal(t, 2, at.App(t, "no-such-command").Code)
	require.Equal(t, 2, at.App(t, "saga", "no-such-command").Code)
	require.Equal(t, 2, at.App(t, "import").Code, "an argument is missing")
	require.Equal(t, 2, at.App(t, "events", "replay").Code, "a flag is missing")
	_, err := os.Stat(at.Data)
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
	at := shoptest.NewSite(t)
	require.Contains(t, at.OK(t, "config", "check"), "fine")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("log:\n  level: loud\nshutdown_timeout: soon\nno_such_key: 1\ncurrency: dollars\n"), 0o600))
	loud := at
	loud.Settings = nil // the environment would win over the file
	for _, v := range at.Settings {
		if !strings.HasPrefix(v, "BANYAN_LOG_LEVEL=") {
			loud.Settings = append(loud.Settings, v)
		}
	}
	for _, args := range [][]string{{"config", "check"}, {"serve"}, {"migrate", "--status"}} {
		r := loud.App(t, append(args, "--config", broken)...)
		require.Equal(t, 2, r.Code, r.Stderr)
		for _, problem := range []string{"log.level", "shutdown_timeout", "no_such_key", "currency", "broken.yaml"} {
			require.Contains(t, r.Stderr, problem)
		}
	}
	r := loud.App(t, "config", "check", "--json", "--config", broken)
	require.Equal(t, 2, r.Code)
	var list struct {
		OK       bool
		Problems []shoptest.Object
	}
	require.NoError(t, json.Unmarshal([]byte(r.Stdout), &list), r.Stdout)
	require.False(t, list.OK)
	require.Len(t, list.Problems, 4)
	require.Equal(t, 2, at.With("BANYAN_NO_SUCH_SETTING=1").App(t, "config", "check").Code)
}

// commands reads what the commands print for scripts, beside a running shop.
func commands(t *testing.T, s *shoptest.Server) {
	order := s.Customer(t).Buy(t, shoptest.Staple, 1, "tok_visa")
	id := order.Text("id")

	var version map[string]string
	s.JSON(t, &version, "version", "--json")
	require.NotEmpty(t, version["version"])

	var migrations []struct {
		Module, Set      string
		Version, Pending int64
	}
	s.JSON(t, &migrations, "migrate", "--status", "--json")
	modules := map[string]bool{}
	for _, m := range migrations {
		require.Zero(t, m.Pending, "%+v", m)
		require.Positive(t, m.Version, "%+v", m)
		modules[m.Module] = true
	}
	files, err := filepath.Glob("../../../migrations/*/00001_*.sql")
	require.NoError(t, err)
	require.Len(t, modules, len(files)+1, "those of migrations, and the payment sandbox")

	var sagas []shoptest.Object
	s.JSON(t, &sagas, "saga", "list", "--json")
	ids := map[any]bool{}
	for _, saga := range sagas {
		ids[saga["id"]] = true
	}
	require.True(t, ids[id], "the checkout of the order: %v", sagas)
	var saga shoptest.Object
	s.JSON(t, &saga, "saga", "show", id, "--json")
	require.NotEmpty(t, saga["history"])
	require.NotContains(t, s.OK(t, "saga", "show", id, "--json"), "tok_visa", "the card is forgotten")
	s.Customer(t).Buy(t, shoptest.Staple, 1, "tok_visa")
	r := s.App(t, "saga", "list", "--limit", "1", "--json")
	require.NoError(t, json.Unmarshal([]byte(r.Stdout), &sagas))
	require.Len(t, sagas, 1)
	require.Contains(t, r.Stderr, fmt.Sprintf("There are more: go on with --after %s,", sagas[0]["id"]))
	require.Equal(t, 2, s.App(t, "saga", "list", "--after", "nope").Code)

	var events []shoptest.Object
	s.JSON(t, &events, "events", "list", "--from", "orders", "--aggregate", id, "--json")
	require.NotEmpty(t, events)
	var status any
	s.JSON(t, &status, "events", "status", "--json")
	require.NotEmpty(t, status)
	var dead []shoptest.Object
	s.JSON(t, &dead, "events", "dead", "list", "--json")
	require.Empty(t, dead)
	require.Equal(t, 2, s.App(t, "events", "list", "--from", "nobody").Code)

	var settings any
	s.JSON(t, &settings, "config", "show", "--json")
	require.NotEmpty(t, settings)
	s.Audited(t)
	grants(t, s)
}

// grants makes a customer staff, by the command line.
func grants(t *testing.T, s *shoptest.Server) {
	t.Helper()
	const email = "clerk@example.com"
	clerk := shoptest.Object{"email": email, "password": shoptest.Password, "name": "Clerk"}
	s.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/users", clerk)
	s.LogIn(t, email, shoptest.Password).Refused(t, http.StatusForbidden, "forbidden", http.MethodPut, "/stock/new-thing", shoptest.Object{"on_hand": 1})
	require.Contains(t, s.OK(t, "user", "grant", email, "--role", "staff"), "staff")
	s.LogIn(t, email, shoptest.Password).Do(t, http.StatusOK, http.MethodPut, "/stock/new-thing", shoptest.Object{"on_hand": 1})
	require.Equal(t, 2, s.App(t, "user", "grant", email, "--role", "king").Code)
}

// TestAnotherCurrency opens the shop with another currency than that of its prices
// and wallets. It must not sell 10.00 of the one for 10.00 of the other.
func TestAnotherCurrency(t *testing.T) {
	t.Parallel()
	shoptest.OnSome(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
		ada := s.Customer(t)
		ada.Keyed().Do(t, http.StatusCreated, http.MethodPost, "/wallet/deposits",
			shoptest.Object{"amount": shoptest.Object{"amount": 500, "currency": "USD"}, "token": "tok_visa"})
		require.Zero(t, s.Stop(t))

		file := filepath.Join(t.TempDir(), "products.csv")
		require.NoError(t, os.WriteFile(file, []byte("Handle,Title,Variant SKU,Variant Price\nnew,New,new,5.00\n"), 0o600))
		elsewhere := at.With("BANYAN_CURRENCY=JPY")
		for _, command := range [][]string{{"serve"}, {"import", file}} {
			r := elsewhere.App(t, command...)
			require.Equal(t, 2, r.Code, r.Stderr)
			require.Regexp(t, `app: \d+ prices are in USD and the shop sells in JPY: set currency back to USD`, r.Stderr)
		}
		again := shoptest.Serve(t, at)
		require.Equal(t, int64(500), ada.At(again.Shop).Get(t, "/wallet").Number(t, "balance.amount"))
		require.NotContains(t, at.OK(t, "audit"), "JPY")
	})
}
