package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// RabbitMQOverTLS starts a broker of this test's own, which asks who comes for a
// certificate, and gives its address, amqps://…. The folder has the broker's
// certificate: ca.pem, server.pem, server.key.
func RabbitMQOverTLS(t testing.TB, folder string) string {
	t.Helper()
	script := filepath.Join(sourceRoot(t), ".ci", "rabbitmq")
	run := func(verb string, env ...string) string {
		cmd := exec.Command("sh", script, verb)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "BANYAN_TEST_AMQP") && !strings.HasPrefix(v, "BANYAN_TEST_RABBITMQ=") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, env...)
		var problems strings.Builder
		cmd.Stderr = &problems
		out, err := cmd.Output()
		require.NoError(t, err, "%s: %s", verb, problems.String())
		return string(out)
	}
	settings := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)^export (\w+)='(.*)'$`).FindAllStringSubmatch(run("start", "BANYAN_RABBITMQ_TLS="+folder), -1) {
		settings[found[1]] = found[2]
	}
	if settings["BANYAN_TEST_AMQPS_URL"] == "" {
		Skip(t, "RabbitMQ", "it can be started neither here nor in a container")
	}
	t.Cleanup(func() { run("stop", "BANYAN_TEST_RABBITMQ="+settings["BANYAN_TEST_RABBITMQ"]) })
	b := broker{url: settings["BANYAN_TEST_AMQP_URL"], admin: settings["BANYAN_TEST_AMQP_ADMIN"]}
	require.NoError(t, b.await())
	return settings["BANYAN_TEST_AMQPS_URL"]
}

func sourceRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		require.NotEqual(t, up, dir, "there is no go.mod above the test")
		dir = up
	}
}
