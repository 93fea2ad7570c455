// Package testenv gives tests real databases: SQLite always, PostgreSQL where
// there is a server or a Docker engine to start one.
//
// A test that needs a server which is not there is skipped with a line on
// standard error and in the file named by BANYAN_TEST_SKIPPED, or fails where
// BANYAN_TEST_REQUIRE is "all". A server that is named and does not answer is a
// failure.
package testenv

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
)

// Small pools: many tests share one server.
const (
	pool   = 20
	weight = 9 // 4 connections
)

// Each runs fn as a sub-test per dialect, each with an empty database of its own.
func Each(t *testing.T, fn func(t *testing.T, db *database.DB)) {
	t.Helper()
	EachCluster(t, func(t *testing.T, open func(module string) *database.DB) {
		t.Helper()
		fn(t, open("test"))
	})
}

// EachCluster is Each for tests of several modules: open gives a module's data,
// the same at each call with the same name.
func EachCluster(t *testing.T, fn func(t *testing.T, open func(module string) *database.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, opener(t, Open(t, database.Config{Dir: t.TempDir()})))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, Postgres(t))
	})
}

// Postgres is what EachCluster gives for PostgreSQL, for what only several processes do.
func Postgres(t *testing.T) (open func(module string) *database.DB) {
	t.Helper()
	return opener(t, Open(t, database.Config{URL: PostgresURL(t)}))
}

// SQLite gives a module's data in a SQLite file of this test.
func SQLite(t *testing.T, module string) *database.DB {
	t.Helper()
	return opener(t, Open(t, database.Config{Dir: t.TempDir()}))(module)
}

// Open opens a cluster, with a small pool unless cfg says otherwise, and closes
// it at the end of the test.
func Open(t *testing.T, cfg database.Config) *database.Cluster {
	t.Helper()
	if cfg.Pool == 0 {
		cfg.Pool = pool
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if cfg.Guard == "" {
		cfg.Guard = database.GuardRefuse
	}
	if cfg.GuardFile == "" {
		cfg.GuardFile = os.Getenv("BANYAN_TEST_OBSERVED")
	}
	c, err := database.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the databases: %v", err)
		}
	})
	return c
}

func opener(t *testing.T, c *database.Cluster) func(string) *database.DB {
	return func(module string) *database.DB {
		t.Helper()
		db, err := c.Module(t.Context(), module, weight)
		require.NoError(t, err)
		return db
	}
}

// Skip skips the test loudly because what it needs is not there; where
// everything is required, the test fails.
func Skip(t testing.TB, need, why string) {
	t.Helper()
	if os.Getenv("BANYAN_TEST_REQUIRE") == "all" {
		t.Fatalf("%s is required but not there: %s", need, why)
	}
	Instead(t, need, why)
}

// Instead skips the test as loudly as Skip does, also where everything is required:
// another test shows the same by other means, and other says which.
func Instead(t testing.TB, need, other string) {
	t.Helper()
	line := fmt.Sprintf("SKIPPED %s: needs %s: %s\n", t.Name(), need, other)
	fmt.Fprint(os.Stderr, line)
	if path := os.Getenv("BANYAN_TEST_SKIPPED"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString(line)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	t.Skip(line)
}
