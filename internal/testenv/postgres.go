package testenv

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

const (
	defaultImage = "postgres:17"
	patience     = 2 * time.Minute
)

// server gives the address of the one server that all tests of this process
// share, or why there is none.
var server = sync.OnceValues(func() (string, error) {
	if address := os.Getenv("BANYAN_TEST_POSTGRES_URL"); address != "" {
		return address, nil
	}
	return startContainer()
})

// PostgresURL gives the address of an empty database of this test, on a server
// that others use too. It is dropped at the end of the test.
func PostgresURL(t *testing.T) string {
	t.Helper()
	return copyOf(t, "template0") // nobody is ever connected to it: it can always be copied
}

// Template is a database that is prepared once, when it is first asked for, and of
// which each test gets a copy: that takes a twentieth of the time of migrations.
type Template struct {
	Prepare func(ctx context.Context, address string) error

	once sync.Once
	name string
	err  error
}

// URL is PostgresURL with a copy of the template.
func (p *Template) URL(t *testing.T) string {
	t.Helper()
	serverURL(t) // or the test is skipped
	p.once.Do(func() { p.name, p.err = p.make() })
	require.NoError(t, p.err, "prepare the database that tests get copies of")
	return copyOf(t, p.name)
}

func (p *Template) make() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	address, err := server()
	if err != nil {
		return "", err
	}
	name := newName()
	if err := create(ctx, address, name, "template0"); err != nil {
		return "", err
	}
	at, err := inServer(address, name)
	if err != nil {
		return name, err
	}
	return name, p.Prepare(ctx, at)
}

// Drop ends the template, when no test will ask for it any more.
func (p *Template) Drop() error {
	if p.name == "" {
		return nil
	}
	address, err := server()
	if err != nil {
		return err
	}
	return drop(address, p.name)
}

// serverURL is the address of the server. Without one the test is skipped.
func serverURL(t *testing.T) string {
	t.Helper()
	address, err := server()
	if err != nil {
		Skip(t, "PostgreSQL", err.Error()+"; set BANYAN_TEST_POSTGRES_URL, or run: eval \"$(.ci/servers start)\"")
	}
	return address
}

func copyOf(t *testing.T, template string) string {
	t.Helper()
	address, name := serverURL(t), newName()
	at, err := inServer(address, name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, create(ctx, address, name, template))
	t.Cleanup(func() {
		if err := drop(address, name); err != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return at
}

func newName() string { return "banyan_test_" + strings.ToLower(rand.Text()) }

// inServer is the address of another database of the same server.
func inServer(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("BANYAN_TEST_POSTGRES_URL must have the form postgres://user:password@host:port/name: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// create copies a database. The sessions of who prepared it may end a moment later
// than its process.
func create(ctx context.Context, address, name, template string) error {
	admin, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	admin.SetMaxOpenConns(1)
	for {
		_, err := admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
		var busy *pgconn.PgError
		full := errors.As(err, &busy) && (busy.Code == "55006" || busy.Code == "53300")
		if err == nil || !full {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func drop(address, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admin, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	_, err = admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return errors.Join(err, admin.Close())
}

// startContainer starts a server that lives as long as this process: the reaper
// of testcontainers ends it.
func startContainer() (address string, err error) {
	defer func() {
		if p := recover(); p != nil { // testcontainers panics where it finds no engine
			err = fmt.Errorf("no Docker engine answers: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", fmt.Errorf("no Docker engine answers: %w", err)
	}
	defer func() { err = errors.Join(err, provider.Close()) }()
	if err := provider.Health(ctx); err != nil {
		return "", fmt.Errorf("no Docker engine answers: %w", err)
	}
	image := os.Getenv("BANYAN_TEST_POSTGRES_IMAGE")
	if image == "" {
		image = defaultImage
	}
	c, err := postgres.Run(ctx, image, postgres.WithDatabase("banyan"), postgres.WithUsername("banyan"),
		postgres.WithPassword("banyan"), postgres.BasicWaitStrategies(),
		testcontainers.WithCmd("postgres", "-c", "fsync=off", "-c", "max_connections=700"))
	if err != nil {
		return "", fmt.Errorf("start %s: %w", image, err)
	}
	return c.ConnectionString(ctx, "sslmode=disable")
}
