package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/rabbit"
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
	code := execute(t.Context(), append([]string{"topology", "--data-dir", t.TempDir()}, some("shipping,cart")...), strings.NewReader(""), &out, &problems)
	require.Equal(t, exitOK, code, problems.String())
	require.Contains(t, out.String(), "rpc.cart")
	require.Contains(t, out.String(), "events.shipping")
	require.NotContains(t, out.String(), "payments")
}

// The users that docker-compose.yml gives the broker are those that the present
// queues need.
func TestComposeUsersAreFresh(t *testing.T) {
	t.Parallel()
	var out, problems strings.Builder
	code := execute(t.Context(), []string{"topology", "users", "../../deploy/compose/broker-users", "--data-dir", t.TempDir()}, strings.NewReader(""), &out, &problems)
	require.Equal(t, exitOK, code, problems.String())
	recorded, err := os.ReadFile("../../deploy/compose/definitions.json")
	require.NoError(t, err)
	require.Equal(t, string(recorded), out.String(), "run: ./bin/app topology users deploy/compose/broker-users >deploy/compose/definitions.json")
}

// Who logs in to the broker by an address of docker-compose.yml is one of these users,
// and the password can be set where those in the file are.
func TestComposeLogsInAsTheseUsers(t *testing.T) {
	t.Parallel()
	users, err := rabbit.ReadUsers("../../deploy/compose/broker-users")
	require.NoError(t, err)
	compose, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	logins := regexp.MustCompile(`amqp://([^:]+):(.*)@`).FindAllStringSubmatch(string(compose), -1)
	require.Len(t, logins, 2)
	for _, login := range logins {
		require.Equal(t, fmt.Sprintf("${BANYAN_%s_BROKER_PASSWORD:-%s}", strings.ToUpper(login[1]), users[login[1]]), login[2])
	}
}

// Rights are those of all modules, whichever run in the process that is asked: who
// was left out would lose theirs.
func TestTopologyUsersOfSomeModules(t *testing.T) {
	t.Parallel()
	file, data := "../../deploy/compose/broker-users", t.TempDir()
	few := filepath.Join(data, "few")
	require.NoError(t, os.WriteFile(few, []byte("shipping:x\ncart:x\n"), 0o600))
	var out, problems strings.Builder
	args := append([]string{"topology", "users", file, "--data-dir", data, "--amqp-users-file", few}, some("shipping,cart")...)
	require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader(""), &out, &problems), problems.String())
	recorded, err := os.ReadFile("../../deploy/compose/definitions.json")
	require.NoError(t, err)
	require.Equal(t, string(recorded), out.String())
	left, err := os.ReadDir(data)
	require.NoError(t, err)
	require.Len(t, left, 1, "it makes no data of modules that run elsewhere")
}

func TestTopologyUsersOfABadFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no password": "shop\n", "no name": ":secret-of-tests\n", "empty": "# shop:x\nshop:\n", "twice": "shop:secret-of-tests\nshop:another\n",
	} {
		file := filepath.Join(t.TempDir(), "users")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		var out, problems strings.Builder
		require.Equal(t, exitUsage, execute(t.Context(), []string{"topology", "users", file}, strings.NewReader(""), &out, &problems), name)
		require.Contains(t, problems.String(), ", line ", name)
		require.NotContains(t, problems.String(), "secret-of-tests", name)
	}
}

// A module without a line in the file is told at the start, and by who checks the settings,
// not by a refusal of the broker later.
func TestModuleWithoutAUser(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("shipping:x\n"), 0o600))
	for name, c := range map[string]struct{ file, says string }{
		"no line":  {file, "1 problem in the settings:\n  --amqp-users-file: amqp.users_file: " + file + " has no line for cart, which runs here; write cart:PASSWORD,"},
		"no file":  {file + ".none", "amqp.users_file: read the users of the broker: open " + file + ".none: "},
		"a folder": {filepath.Dir(file), "amqp.users_file: read " + filepath.Dir(file) + ": "},
	} {
		for _, command := range []string{"serve", "topology", "config check"} {
			var out, problems strings.Builder
			args := append(strings.Fields(command), "--data-dir", t.TempDir(), "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0", "--amqp-users-file", c.file)
			code := execute(t.Context(), append(args, some("shipping,cart")...), strings.NewReader(""), &out, &problems)
			require.Equal(t, exitUsage, code, "%s, %s: %s", name, command, problems.String())
			require.Contains(t, problems.String(), c.says, "%s, %s", name, command)
			require.Equal(t, 1, strings.Count(problems.String(), "amqp.users_file: "), "said once: %s", problems.String())
			require.Empty(t, out.String())
		}
	}
	var out, problems strings.Builder
	require.NoError(t, os.WriteFile(file, []byte("shipping:x\ncart:x\n"), 0o600))
	args := append([]string{"config", "check", "--amqp-users-file", file}, some("shipping,cart")...)
	require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader(""), &out, &problems), problems.String())
}

// What the help shows can be typed.
func TestExamplesOfTopologyWork(t *testing.T) {
	t.Parallel()
	examples := strings.Split(topologyCommand(&settings{}).Example, "\n")
	require.NotEmpty(t, examples)
	for _, example := range examples {
		line, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(example), "app "), " >") // which the shell does
		args := append(strings.Fields(strings.Replace(line, "broker-users", "../../deploy/compose/broker-users", 1)), "--data-dir", t.TempDir())
		var out, problems strings.Builder
		require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader(""), &out, &problems), "%s: %s", example, problems.String())
		require.NotEmpty(t, out.String(), example)
	}
}

// A module whose name is mistyped does not become one more user who only calls.
func TestTopologyUsersOfAMistypedModule(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("shop:x\norders:x\npaymnts:secret-of-tests\n"), 0o600))
	run := func(args ...string) (code int, out, problems string) {
		var o, p strings.Builder
		code = execute(t.Context(), append([]string{"topology", "users", file, "--data-dir", t.TempDir()}, args...), strings.NewReader(""), &o, &p)
		return code, o.String(), p.String()
	}
	code, out, problems := run()
	require.Equal(t, exitUsage, code)
	require.Empty(t, out)
	require.Contains(t, problems, file+": no module is named paymnts; correct the file (modules are identity,")
	require.Contains(t, problems, "or name who only calls: --caller shop,paymnts\n")
	require.NotContains(t, problems, "secret-of-tests")
	for _, declared := range [][]string{
		{"--caller", "shop,paymnts"}, {"--amqp-url", "amqp://paymnts:x@127.0.0.1:1/", "--ports-signing-key", strings.Repeat("k", 32)},
	} {
		code, out, problems = run(declared...)
		require.Equal(t, exitOK, code, problems)
		require.Contains(t, out, `"name": "paymnts"`)
	}
}
