//go:build compose

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// composed is docker-compose.yml as it runs.
type composed struct {
	command []string
	env     []string
	ports   map[string]int // by variable
}

// compose starts services of docker-compose.yml with what they depend on, waits until
// all of them are healthy, and removes them with the test. .ci/compose calls it.
func compose(t *testing.T, services ...string) *composed {
	t.Helper()
	command := strings.Fields(os.Getenv("BANYAN_TEST_COMPOSE"))
	require.NotEmpty(t, command, "run .ci/compose")
	c := &composed{env: append(os.Environ(), "COMPOSE_HTTP_TIMEOUT=300"), ports: map[string]int{}}
	c.command = append(command, "-p", "banyan-test-"+strconv.Itoa(os.Getpid())+"-"+services[0], "-f", filepath.Join(root, "docker-compose.yml"))
	for _, v := range []string{"BANYAN_SHOP_PORT", "BANYAN_SHOP_OPS_PORT", "BANYAN_PROMETHEUS_PORT", "BANYAN_JAEGER_PORT"} {
		c.ports[v] = testenv.Port(t)
		c.env = append(c.env, fmt.Sprintf("%s=%d", v, c.ports[v]))
	}
	for _, p := range []string{"postgres", "rabbitmq", "extracted", "observability"} {
		c.command = append(c.command, "--profile", p)
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := c.try(context.Background(), "logs", "--no-color", "--tail", "60")
			t.Logf("%s", out)
		}
		if out, err := c.try(context.Background(), "down", "-v", "--remove-orphans", "-t", "5"); err != nil {
			t.Errorf("take it down: %v\n%s", err, out)
		}
	})
	c.ok(t, append([]string{"up", "-d", "--no-build"}, services...)...)
	shoptest.Until(t, "all services are healthy", func() bool {
		for _, id := range c.containers(t) {
			if state := c.inspect(t, id).State; state.Health.Status != "healthy" {
				require.Equal(t, "running", state.Status, "%s", id)
				return false
			}
		}
		return true
	})
	return c
}

func (c *composed) try(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *composed) ok(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try(t.Context(), args...)
	require.NoError(t, err, "%v: %s", args, out)
	return out
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, "docker %v: %s%s", args, out, problems.String())
	return strings.TrimSpace(string(out))
}

func (c *composed) containers(t *testing.T) []string {
	t.Helper()
	return strings.Fields(c.ok(t, "ps", "-q"))
}

func (c *composed) container(t *testing.T, service string) string {
	t.Helper()
	id := strings.TrimSpace(c.ok(t, "ps", "-q", service))
	require.NotEmpty(t, id, service)
	return id
}

func (c *composed) url(variable string) string {
	return "http://127.0.0.1:" + strconv.Itoa(c.ports[variable])
}

// inspected is what Docker knows of a container.
type inspected struct {
	Name  string
	State struct {
		Status   string
		ExitCode int
		Health   struct{ Status string }
	}
	Config     struct{ User string }
	HostConfig struct {
		ReadonlyRootfs   bool
		Memory, NanoCpus int64
		PidsLimit        int64
		CapDrop          []string
		SecurityOpt      []string
		Privileged       bool
	}
}

func (c *composed) inspect(t *testing.T, id string) inspected {
	t.Helper()
	var list []inspected
	require.NoError(t, json.Unmarshal([]byte(docker(t, "inspect", id)), &list))
	return list[0]
}

// TestComposeExtracted is docker-compose.yml with payments moved out: the README's
// walk-through against it, what its containers may do, and that each of its parts
// does its share.
func TestComposeExtracted(t *testing.T) {
	c := compose(t, "app-extracted", "payments", "prometheus")
	ids := c.containers(t)
	require.Len(t, ids, 5, "the shop, payments, PostgreSQL, RabbitMQ, Prometheus")
	for _, id := range ids {
		i := c.inspect(t, id)
		require.NotContains(t, []string{"", "0", "root"}, i.Config.User, i.Name)
		require.True(t, i.HostConfig.ReadonlyRootfs, "%s can write to its file system", i.Name)
		require.Positive(t, i.HostConfig.Memory, i.Name)
		require.Positive(t, i.HostConfig.NanoCpus, i.Name)
		require.Positive(t, i.HostConfig.PidsLimit, i.Name)
		require.Equal(t, []string{"ALL"}, i.HostConfig.CapDrop, i.Name)
		require.Contains(t, i.HostConfig.SecurityOpt, "no-new-privileges:true", i.Name)
		require.False(t, i.HostConfig.Privileged, i.Name)
	}
	for _, image := range []string{os.Getenv("BANYAN_APP_IMAGE"), os.Getenv("BANYAN_PAYMENTS_IMAGE")} {
		size, err := strconv.Atoi(docker(t, "image", "inspect", "--format", "{{.Size}}", image))
		require.NoError(t, err)
		require.Less(t, size, 40_000_000, "bytes of %s", image)
		t.Logf("%s has %.1f MB", image, float64(size)/1e6)
	}

	c.walk(t, "app-extracted")

	postgres, rabbit := c.container(t, "postgres"), c.container(t, "rabbitmq")
	query := func(database, statement string) string {
		return docker(t, "exec", postgres, "psql", "-U", "postgres", "-d", database, "-tAc", statement)
	}
	payments, err := strconv.Atoi(query("payments", "SELECT count(*) FROM payments.payments"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, payments, 2, "payments in the database of payments")
	require.Equal(t, "t", query("shop", "SELECT to_regclass('payments.payments') IS NULL"), "the shop has no table of payments")
	for login, other := range map[string]string{"payments": "shop", "shop": "payments"} {
		out, err := exec.Command("docker", "exec", "-e", "PGPASSWORD="+login+"-demo", postgres, "psql", "-h", "127.0.0.1", "-U", login, "-d", other, "-c", "SELECT 1").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "permission denied for database", "%s enters the database of %s", login, other)
	}

	require.Regexp(t, `(?m)^payments\.matches_provider +[1-9]\d* +0$`, docker(t, "exec", c.container(t, "payments"), "/app", "audit"))

	users := slices.Compact(slices.Sorted(slices.Values(strings.Fields(docker(t, "exec", rabbit, "rabbitmqctl", "-q", "list_connections", "user")))))
	users = slices.DeleteFunc(users, func(u string) bool { return u == "user" }) // the heading
	require.Equal(t, []string{"cart", "catalog", "identity", "inventory", "orders", "payments", "pricing", "search", "shipping", "shop", "wallet"}, users)

	for _, job := range []string{"shop", "payments", "rabbitmq"} {
		shoptest.Until(t, "Prometheus has asked "+job, func() bool { return c.prometheus(t, `up{job="`+job+`"}`) == "1" })
	}

	for _, service := range []string{"payments", "app-extracted"} {
		id := c.container(t, service)
		docker(t, "stop", "-t", "30", id)
		require.Zero(t, c.inspect(t, id).State.ExitCode, "%s stops in time, and well", service)
	}
}

// TestComposeOthers tries the other two wirings.
func TestComposeOthers(t *testing.T) {
	for _, service := range []string{"app", "app-rabbitmq"} {
		t.Run(service, func(t *testing.T) {
			c := compose(t, service)
			c.walk(t, service)
		})
	}
}

// walk does what the README says, against a shop in a container.
func (c *composed) walk(t *testing.T, service string) {
	t.Helper()
	id, dir := c.container(t, service), t.TempDir()
	docker(t, "cp", id+":/data/demo-admin-password", filepath.Join(dir, "demo-admin-password"))
	// The binary of the image, in place of ./bin/app; there the data is in /data.
	app := filepath.Join(dir, "app")
	script := "#!/bin/sh\nfor a; do shift; [ \"$a\" != \"$DATA\" ] || a=/data; set -- \"$@\" \"$a\"; done\nexec docker exec " + id + " /app \"$@\"\n"
	require.NoError(t, os.WriteFile(app, []byte(script), 0o700))
	blocks := walk(t)
	walked(t, blocks, paste(t, blocks, append(os.Environ(),
		"SHOP="+c.url("BANYAN_SHOP_PORT"), "OPS="+c.url("BANYAN_SHOP_OPS_PORT"), "DATA="+dir, "APP="+app)))
}

// prometheus gives the value of an expression, "" where there is none.
func (c *composed) prometheus(t *testing.T, expression string) string {
	t.Helper()
	res, err := http.Get(c.url("BANYAN_PROMETHEUS_PORT") + "/api/v1/query?query=" + url.QueryEscape(expression))
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	if len(answer.Data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}
