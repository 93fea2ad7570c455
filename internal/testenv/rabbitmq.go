package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

const defaultBroker = "rabbitmq:4.0-management"

// broker is the one RabbitMQ that all tests of this process share.
type broker struct {
	url   string   // amqp://user:password@host:port/
	admin string   // http://user:password@host:port, its management API
	ctl   []string // rabbitmqctl as a command line
}

var sharedBroker = sync.OnceValues(func() (broker, error) {
	b := broker{
		url: os.Getenv("BANYAN_TEST_AMQP_URL"), admin: os.Getenv("BANYAN_TEST_AMQP_ADMIN"),
		ctl: strings.Fields(os.Getenv("BANYAN_TEST_RABBITMQCTL")),
	}
	if b.url == "" {
		var err error
		if b, err = startBroker(); err != nil {
			return b, err
		}
	}
	return b, b.await()
})

// RabbitMQ gives the address of an empty virtual host of this test, on a broker
// that others use too. It is deleted at the end of the test.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	b := theBroker(t)
	u, err := url.Parse(b.url)
	require.NoError(t, err, "BANYAN_TEST_AMQP_URL must have the form amqp://user:password@host:port/")
	name := "banyan_test_" + strings.ToLower(rand.Text())
	require.NoError(t, b.ask(t.Context(), http.MethodPut, "/api/vhosts/"+name))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.ask(ctx, http.MethodDelete, "/api/vhosts/"+name); err != nil {
			t.Errorf("delete the virtual host %s: %v", name, err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// RabbitMQControl runs rabbitmqctl on the broker of RabbitMQ. What it changes for
// the whole broker changes for all tests.
func RabbitMQControl(t testing.TB, args ...string) string {
	t.Helper()
	b := theBroker(t)
	if len(b.ctl) == 0 {
		Skip(t, "rabbitmqctl", "set BANYAN_TEST_RABBITMQCTL to its command line")
	}
	out, err := exec.Command(b.ctl[0], append(b.ctl[1:], args...)...).CombinedOutput()
	require.NoError(t, err, "rabbitmqctl %v: %s", args, out)
	return string(out)
}

func theBroker(t testing.TB) broker {
	t.Helper()
	b, err := sharedBroker()
	if err != nil && os.Getenv("BANYAN_TEST_AMQP_URL") != "" {
		t.Fatalf("the RabbitMQ of BANYAN_TEST_AMQP_URL is not there: %v; start it, or unset the variable to do without", err)
	}
	if err != nil {
		Skip(t, "RabbitMQ", err.Error()+"; set BANYAN_TEST_AMQP_URL and BANYAN_TEST_AMQP_ADMIN, or run: eval \"$(.ci/servers start)\"")
	}
	return b
}

// await waits until the broker answers: it may have been started a moment ago.
func (b broker) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := b.ask(ctx, http.MethodGet, "/api/overview")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("RabbitMQ did not answer within %s: %w", patience, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ask asks the management API for something that has no answer.
func (b broker) ask(ctx context.Context, method, path string) error {
	return b.send(ctx, method, path, nil)
}

func (b broker) send(ctx context.Context, method, path string, what io.Reader) error {
	if b.admin == "" {
		return errors.New("BANYAN_TEST_AMQP_ADMIN is not set: the address of the broker's management API")
	}
	req, err := http.NewRequestWithContext(ctx, method, b.admin+path, what)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, body)
	}
	return err
}

// startBroker starts a container that lives as long as this process: the reaper of
// testcontainers ends it.
func startBroker() (b broker, err error) {
	defer func() {
		if p := recover(); p != nil { // testcontainers panics where it finds no engine
			err = fmt.Errorf("no Docker engine answers: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	image := os.Getenv("BANYAN_TEST_RABBITMQ_IMAGE")
	if image == "" {
		image = defaultBroker
	}
	c, err := testcontainers.Run(ctx, image, testcontainers.WithExposedPorts("5672/tcp", "15672/tcp"),
		testcontainers.WithEnv(map[string]string{"RABBITMQ_DEFAULT_USER": "banyan", "RABBITMQ_DEFAULT_PASS": "banyan"}),
		testcontainers.WithWaitStrategy(wait.ForLog("Server startup complete").WithStartupTimeout(patience)))
	if err != nil {
		return b, fmt.Errorf("start %s: %w", image, err)
	}
	amqp, err := c.PortEndpoint(ctx, "5672/tcp", "amqp")
	if err != nil {
		return b, err
	}
	admin, err := c.PortEndpoint(ctx, "15672/tcp", "http")
	if err != nil {
		return b, err
	}
	const who = "://banyan:banyan@"
	b.url = strings.Replace(amqp, "://", who, 1) + "/"
	b.admin = strings.Replace(admin, "://", who, 1)
	b.ctl = []string{"docker", "exec", c.GetContainerID(), "rabbitmqctl"}
	return b, nil
}

// RabbitMQDefine loads definitions (JSON) into the broker of RabbitMQ. Users are
// known to the whole broker, so tests that run at a time must mean the same by one.
func RabbitMQDefine(t testing.TB, definitions string) {
	t.Helper()
	b := theBroker(t)
	require.NoError(t, b.send(t.Context(), http.MethodPost, "/api/definitions", strings.NewReader(definitions)))
}
