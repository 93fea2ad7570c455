// Package shoptest runs the shop as its users do: the real binary as a process
// of its own, spoken to over HTTP and by its command line, on SQLite and on
// PostgreSQL. It knows nothing of the shop but what is printed and answered, so
// that what is judged with it is judged from outside. Only tests import it.
package shoptest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/patched"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// Patience is for one wait. It is long because a busy machine is no failure.
const Patience = 4 * time.Minute

// binary is the program under test, built once by Main.
var binary string

// atOnce is how many tests run at a time: they wait for processes now and then, so
// more than there are processors; but shops that starve each other wait in vain.
var atOnce = strconv.Itoa(2 * runtime.NumCPU())

// Binary is the path of the program that Main built.
func Binary() string { return binary }

// Main builds the program, with these build tags, and runs the tests. It gives
// the exit code for TestMain. Where BANYAN_TEST_APP names one without tags that was
// built for all packages, it takes that. Tests under the race detector have the program
// under it, too: it writes DATA RACE into its log, and ends with exit code 66.
func Main(m *testing.M, tags ...string) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	if binary = os.Getenv("BANYAN_TEST_APP"); binary == "" || len(tags) > 0 || raced {
		dir, err := os.MkdirTemp("", "banyan-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "app")
		if err := compile(binary, tags); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if err := migrated.Drop(); err != nil {
		fmt.Fprintln(os.Stderr, "drop the migrated database:", err)
		return 1
	}
	return code
}

// migrated is a PostgreSQL database with everything that the shop makes in an empty
// one before it starts.
var migrated = testenv.Template{Prepare: func(ctx context.Context, address string) error {
	cmd := exec.CommandContext(ctx, binary, "migrate")
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = Site{Settings: []string{"BANYAN_DATABASE_URL=" + address}}.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("app migrate: %w\n%s", err, out)
	}
	return nil
}}

// Build makes the program with these build tags, for the sites of one test. It
// gives its path.
func Build(t *testing.T, tags ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "app")
	require.NoError(t, compile(to, tags))
	return to
}

// BuildPatched makes the program as a patch changes it: another version of it. root
// is the folder of go.mod. It gives the program's path.
func BuildPatched(t *testing.T, root, patch string) string {
	t.Helper()
	overlay, err := patched.Overlay(t.Context(), root, patch, t.TempDir())
	require.NoError(t, err)
	to := filepath.Join(t.TempDir(), "app")
	require.NoError(t, compileFrom("cmd/app", to, nil, "-overlay", overlay))
	return to
}

func compile(to string, tags []string) error { return compileFrom("cmd/app", to, tags) }

func compileFrom(folder, to string, tags []string, flags ...string) error {
	if raced {
		flags = append(flags, "-race")
	}
	args := slices.Concat([]string{"build", "-tags", strings.Join(tags, ","), "-o", to}, flags, []string{"github.com/banyan-tree/banyan/" + folder})
	build := exec.Command("go", args...) //nolint:gosec // the flags are ours
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build ./%s: %w\n%s", folder, err, out)
	}
	return nil
}

// Site is where a shop keeps its data, and the settings it is run with.
type Site struct {
	Data     string
	Settings []string  // BANYAN_X=value
	Tee      io.Writer // gets all that a server prints, too; safe for concurrent use; may be nil
	Binary   string    // the program; empty: the one of Main

	// Here and Beside are the modules of a server and of a second process beside it,
	// separated by commas; empty: one process runs all.
	Here, Beside string

	// Moved are the modules that run as services of extracted/.
	Moved []string
}

// OnEach runs fn once per kind of database, with one of its own.
func OnEach(t *testing.T, fn func(t *testing.T, at Site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, NewSite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, NewPostgresSite(t))
	})
}

// wirings are those that a shop is tried on: one process on SQLite, one on PostgreSQL,
// that with every call and event over RabbitMQ, two processes that each run half of
// the shop, and those two with payments moved out.
var wirings = []string{"sqlite", "postgres", "rabbitmq", "split", "extracted"}

// Wired makes a site of a wiring, with nothing in it.
func Wired(t *testing.T, wiring string) Site {
	t.Helper()
	site := map[string]func(*testing.T, ...string) Site{
		"sqlite": NewSite, "postgres": NewPostgresSite, "rabbitmq": NewRabbitSite, "split": NewSplitSite, "extracted": NewExtractedSite,
	}[wiring]
	require.NotNil(t, site, "there is no wiring %s", wiring)
	return site(t)
}

// OnEvery runs fn on each wiring; at the small size a split shop is that with
// payments moved out alone.
func OnEvery(t *testing.T, fn func(t *testing.T, at Site)) {
	t.Helper()
	onWirings(t, func(wiring string) bool { return wiring != "split" }, fn)
}

// OnSome is OnEvery with SQLite and one other wiring at the small size, by the name of
// the test: so that each wiring has its share of the tests.
func OnSome(t *testing.T, fn func(t *testing.T, at Site)) {
	t.Helper()
	others := []string{"postgres", "rabbitmq", "extracted"}
	name := fnv.New32a()
	_, _ = name.Write([]byte(t.Name())) // it cannot fail
	share := others[name.Sum32()%uint32(len(others))]
	onWirings(t, func(wiring string) bool { return wiring == "sqlite" || wiring == share }, fn)
}

func onWirings(t *testing.T, small func(wiring string) bool, fn func(t *testing.T, at Site)) {
	t.Helper()
	for _, wiring := range wirings {
		t.Run(wiring, func(t *testing.T) {
			t.Parallel()
			if Storm(0, 1) == 0 && !small(wiring) {
				t.Skip("only at full size, BANYAN_TEST_STORM=full")
			}
			fn(t, Wired(t, wiring))
		})
	}
}

// NewRabbitSite is NewPostgresSite with every call and event over a broker.
func NewRabbitSite(t *testing.T, settings ...string) Site {
	t.Helper()
	return NewPostgresSite(t, append(settings, "BANYAN_AMQP_URL="+testenv.RabbitMQ(t), "BANYAN_PORTS_RABBITMQ=all",
		"BANYAN_PORTS_SIGNING_KEY=the-key-that-both-processes-of-a-test-share")...)
}

// NewSplitSite is NewRabbitSite with the modules that check out in a process of
// their own.
func NewSplitSite(t *testing.T, settings ...string) Site {
	t.Helper()
	s := NewRabbitSite(t, settings...).With("BANYAN_PORTS_RABBITMQ=")
	s.Here, s.Beside = HalfOfTheShop, OtherHalf
	return s
}

// The modules of a split site.
const (
	HalfWithoutPayments = "identity,catalog,pricing,inventory"
	HalfOfTheShop       = HalfWithoutPayments + ",payments"
	OtherHalf           = "shipping,cart,orders,wallet,search"
)

// NewPostgresSite is NewSite on a PostgreSQL database that is migrated, and has
// nothing else.
func NewPostgresSite(t *testing.T, settings ...string) Site {
	t.Helper()
	return NewSite(t, append(settings, "BANYAN_DATABASE_URL="+migrated.URL(t))...)
}

// NewEmptyPostgresSite is NewSite on a PostgreSQL database that has nothing at all.
func NewEmptyPostgresSite(t *testing.T, settings ...string) Site {
	t.Helper()
	return NewSite(t, append(settings, "BANYAN_DATABASE_URL="+testenv.PostgresURL(t))...)
}

// NewSite makes a place for a shop on free ports, without a rate limit: tests
// ask more than one shopper would. What the guard of the databases sees is written
// down, with both stacks.
func NewSite(t *testing.T, settings ...string) Site {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	return Site{Data: data, Settings: append([]string{
		"BANYAN_DATA_DIR=" + data, "BANYAN_HTTP_ADDR=127.0.0.1:0", "BANYAN_OPS_ADDR=127.0.0.1:0",
		"BANYAN_RATE_LIMIT=off", "BANYAN_HTTP_DRAIN_DELAY=0s", "BANYAN_DATABASE_POOL=22", "BANYAN_LOG_LEVEL=warn",
		"BANYAN_IDENTITY_ISSUER=http://shop.example", // tokens outlive a restart on another port
		"BANYAN_BOUNDARIES_FILE=" + filepath.Join(dir, "observed.jsonl"),
	}, settings...)}
}

// Twin is another place on the same settings, and so on the same PostgreSQL
// database, with a folder of its own: what a second instance needs.
func (s Site) Twin(t *testing.T) Site {
	t.Helper()
	s.Data = filepath.Join(t.TempDir(), "data")
	return s.With("BANYAN_DATA_DIR=" + s.Data)
}

// With is the same site with other or more settings.
func (s Site) With(settings ...string) Site {
	s.Settings = append(s.Settings[:len(s.Settings):len(s.Settings)], settings...)
	return s
}

// Setting gives the value of a setting, "" where it is not set.
func (s Site) Setting(name string) (value string) {
	for _, setting := range s.Settings {
		if v, found := strings.CutPrefix(setting, name+"="); found {
			value = v
		}
	}
	return value
}

// Command prepares the binary in an empty folder, so that no settings but those
// of the site count.
func (s Site) Command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, cmp.Or(s.Binary, binary), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = s.Environ()
	return cmd
}

// Environ is the environment of this process with the settings of the site and no
// others of the shop.
func (s Site) Environ() []string {
	env := []string{}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_") {
			env = append(env, v)
		}
	}
	return append(env, s.Settings...)
}

// Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// App runs a command of the binary to its end.
func (s Site) App(t *testing.T, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	cmd := s.Command(ctx, t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "app %s took too long: %s", strings.Join(args, " "), stderr.String())
	if exited := (*exec.ExitError)(nil); !errors.As(err, &exited) {
		require.NoError(t, err)
	}
	for _, said := range trespasses {
		require.NotContains(t, stderr.String(), said)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// OK is App for a command that must succeed; it gives its standard output.
func (s Site) OK(t *testing.T, args ...string) string {
	t.Helper()
	r := s.App(t, args...)
	require.Zero(t, r.Code, "app %s\nstdout: %s\nstderr: %s", strings.Join(args, " "), r.Stdout, r.Stderr)
	return r.Stdout
}

// JSON runs a command and reads its standard output.
func (s Site) JSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out := s.OK(t, args...)
	require.NoError(t, json.Unmarshal([]byte(out), into), "app %s: %s", strings.Join(args, " "), out)
}
