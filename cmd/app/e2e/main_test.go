// Package e2e tries the shop as its users do: the real binary as a process of
// its own, spoken to over HTTP and by its command line, on SQLite and on
// PostgreSQL. It imports nothing of the shop but what prepares databases.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/testenv"
)

// patience is for one wait. It is long because a busy machine is no failure.
const patience = 90 * time.Second

// root is the repository.
const root = "../../.."

// binary is the program under test, built once.
var binary string

// atOnce is how many tests run at a time: most of their time they wait for a
// process, so more than there are processors.
const atOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "banyan-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "app")
	if out, err := exec.Command("go", "build", "-o", binary, "..").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build ./cmd/app: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// site is where a shop keeps its data, and the settings it is run with.
type site struct {
	data     string
	settings []string // BANYAN_X=value
}

// onEach runs fn once per kind of database, with an empty one.
func onEach(t *testing.T, fn func(t *testing.T, at site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, newSite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, newPostgresSite(t))
	})
}

// newPostgresSite is newSite on an empty PostgreSQL database.
func newPostgresSite(t *testing.T, settings ...string) site {
	t.Helper()
	return newSite(t, append(settings, "BANYAN_DATABASE_URL="+testenv.PostgresURL(t))...)
}

// newSite makes a place for a shop on free ports, without a rate limit: tests
// ask more than one shopper would.
func newSite(t *testing.T, settings ...string) site {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	return site{data: data, settings: append([]string{
		"BANYAN_DATA_DIR=" + data, "BANYAN_HTTP_ADDR=127.0.0.1:0", "BANYAN_OPS_ADDR=127.0.0.1:0",
		"BANYAN_RATE_LIMIT=off", "BANYAN_DATABASE_POOL=22", "BANYAN_LOG_LEVEL=warn",
		"BANYAN_IDENTITY_ISSUER=http://shop.example", // tokens outlive a restart on another port
	}, settings...)}
}

// with is the same site with other or more settings.
func (s site) with(settings ...string) site {
	s.settings = append(s.settings[:len(s.settings):len(s.settings)], settings...)
	return s
}

// command prepares the binary in an empty folder, so that no settings but those
// of the site count.
func (s site) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = s.environ()
	return cmd
}

func (s site) environ() []string {
	env := []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_") {
			env = append(env, v)
		}
	}
	return append(env, s.settings...)
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// app runs a command of the binary to its end.
func (s site) app(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := s.command(ctx, t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "app %s took too long: %s", strings.Join(args, " "), stderr.String())
	if exited := (*exec.ExitError)(nil); !errors.As(err, &exited) {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok is app for a command that must succeed; it gives its standard output.
func (s site) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := s.app(t, args...)
	require.Zero(t, r.code, "app %s\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.stdout, r.stderr)
	return r.stdout
}
