// Package databasetest lets a crowd work with a module's data, to measure what that
// costs. What belongs here: the crowd, and the same statements without our layers. What
// does not: databases for tests, which internal/testenv gives.
package databasetest

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/database"
)

// Settings of a benchmark that a crowd works in. cmd/app/bench sets them, to run it
// in turn with what it is compared with, on the same server or disk.
const (
	CrowdDatabase = "BANYAN_BENCH_DATABASE" // postgres://…, or the folder of SQLite files; files of its own unless set
	CrowdSize     = "BANYAN_BENCH_CLIENTS"  // 16 unless set
)

// settling is how often each of a crowd does the work before it counts: by then
// connections are opened and statements prepared, and PostgreSQL, which plans the first
// five times anew, has settled on a plan.
const settling = 8

// CrowdDB opens a module's data for a crowd, as the shop opens it, and brings its
// tables up to date. What earlier runs left in a database that is named stays there.
func CrowdDB(b *testing.B, module string, migrations []database.Migrations) *database.DB {
	b.Helper()
	cfg := database.Config{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	if named := os.Getenv(CrowdDatabase); strings.HasPrefix(named, "postgres") {
		cfg.URL = named
	} else if named != "" {
		cfg.Dir = named
	}
	c, err := database.Open(b.Context(), cfg)
	require.NoError(b, err)
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Errorf("close the database: %v", err)
		}
	})
	db, err := c.Module(b.Context(), module, crowdSize(b)) // of a pool of 45 that is a connection each
	require.NoError(b, err)
	require.NoError(b, db.Migrate(b.Context(), migrations...))
	return db
}

// Crowd lets clients do a work at a time, b.N times in all, and gives how often it
// was done since the benchmark began, so that its effects can be counted.
func Crowd(b *testing.B, do func(ctx context.Context) error) (done int64) {
	b.Helper()
	clients := crowdSize(b)
	went := b.Run(strconv.Itoa(clients)+"clients", func(b *testing.B) {
		require.NoError(b, together(b.Context(), clients, settling*clients, do))
		b.ResetTimer()
		err := together(b.Context(), clients, b.N, do)
		b.StopTimer()
		require.NoError(b, err)
		done += int64(settling*clients + b.N)
	})
	if !went || done == 0 {
		b.FailNow()
	}
	return done
}

func crowdSize(b *testing.B) int {
	b.Helper()
	named := os.Getenv(CrowdSize)
	if named == "" {
		return 16
	}
	n, err := strconv.Atoi(named)
	require.NoError(b, err, CrowdSize)
	require.Positive(b, n, CrowdSize)
	return n
}

// together does something n times, and stops at the first error.
func together(ctx context.Context, clients, n int, do func(ctx context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var begun atomic.Int64
	for range clients {
		group.Go(func() error {
			for begun.Add(1) <= int64(n) {
				if err := do(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
