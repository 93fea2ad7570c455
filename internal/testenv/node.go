package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Node is a RabbitMQ of one test's own, which may be killed, stopped and starved:
// nobody else uses it.
type Node struct {
	URL string // amqp://user:password@host:port/

	broker broker
	script string
	env    []string
}

// OwnRabbitMQ starts a node as .ci/rabbitmq does, and ends it with the test.
func OwnRabbitMQ(t testing.TB) *Node {
	t.Helper()
	theBroker(t) // where there is none to share, none can be started
	n := &Node{script: ciScript(t, "rabbitmq")}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_TEST_AMQP") && !strings.HasPrefix(v, "BANYAN_TEST_RABBITMQ=") && !strings.HasPrefix(v, "BANYAN_TEST_RABBITMQCTL=") {
			n.env = append(n.env, v)
		}
	}
	for _, set := range regexp.MustCompile(`export (\w+)='([^']*)'`).FindAllStringSubmatch(n.run(t, "start"), -1) {
		n.env = append(n.env, set[1]+"="+set[2])
		switch set[1] {
		case "BANYAN_TEST_AMQP_URL":
			n.URL, n.broker.url = set[2], set[2]
		case "BANYAN_TEST_AMQP_ADMIN":
			n.broker.admin = set[2]
		case "BANYAN_TEST_RABBITMQCTL":
			n.broker.ctl = strings.Fields(set[2])
		}
	}
	if n.URL == "" {
		Skip(t, "a RabbitMQ of its own", ".ci/rabbitmq could not start one")
	}
	t.Cleanup(func() { n.run(t, "stop") })
	n.Await(t)
	return n
}

// ciScript finds a script of .ci from wherever the test runs.
func ciScript(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		path := filepath.Join(dir, ".ci", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		require.NotEqual(t, filepath.Dir(dir), dir, ".ci/%s was not found", name)
		dir = filepath.Dir(dir)
	}
}

func (n *Node) run(t testing.TB, verb string) string {
	t.Helper()
	cmd := exec.Command("sh", n.script, verb)
	cmd.Env = n.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s: %s", n.script, verb, &said)
	return string(out)
}

// Kill ends the node at once, as a crash would; what it had on disk stays.
func (n *Node) Kill(t testing.TB) { t.Helper(); n.run(t, "kill") }

// Again starts it after a death. It does not wait until it answers.
func (n *Node) Again(t testing.TB) { t.Helper(); n.run(t, "again") }

// Pause stops the node in the middle of whatever it does (SIGSTOP): connections
// stay, and nothing is said.
func (n *Node) Pause(t testing.TB) { t.Helper(); n.run(t, "pause") }

// Resume is the end of Pause.
func (n *Node) Resume(t testing.TB) { t.Helper(); n.run(t, "resume") }

// Await waits until the node answers.
func (n *Node) Await(t testing.TB) {
	t.Helper()
	require.NoError(t, n.broker.await())
}

// Control runs rabbitmqctl on the node.
func (n *Node) Control(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(n.broker.ctl[0], append(slices.Clone(n.broker.ctl[1:]), args...)...)
	out, err := cmd.CombinedOutput()
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
		require.Fail(t, "rabbitmqctl", "%v: %s", args, out)
	}
	require.NoError(t, err)
	return string(out)
}
