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
	address, err := server()
	if err != nil {
		Skip(t, "PostgreSQL", err.Error()+"; set BANYAN_TEST_POSTGRES_URL, or run: eval \"$(.ci/servers start)\"")
	}
	u, err := url.Parse(address)
	require.NoError(t, err, "BANYAN_TEST_POSTGRES_URL must have the form postgres://user:password@host:port/name")
	admin, err := sql.Open("pgx", address)
	require.NoError(t, err)
	admin.SetMaxOpenConns(1)
	name := "banyan_test_" + strings.ToLower(rand.Text())
	require.NoError(t, create(t.Context(), admin, name))
	require.NoError(t, admin.Close())
	t.Cleanup(func() { drop(t, address, name) })
	u.Path = "/" + name
	return u.String()
}

// create copies template0, into which nobody is ever connected: template1 cannot
// be copied while it is in use.
func create(ctx context.Context, admin *sql.DB, name string) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := admin.ExecContext(limited, "CREATE DATABASE "+name+" TEMPLATE template0")
		var busy *pgconn.PgError
		full := errors.As(err, &busy) && (busy.Code == "55006" || busy.Code == "53300")
		if err == nil || !full {
			return err
		}
		select {
		case <-limited.Done():
			return errors.Join(err, limited.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func drop(t *testing.T, address, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admin, err := sql.Open("pgx", address)
	if err != nil {
		t.Errorf("drop database %s: %v", name, err)
		return
	}
	_, err = admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	if err := errors.Join(err, admin.Close()); err != nil {
		t.Errorf("drop database %s: %v", name, err)
	}
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
