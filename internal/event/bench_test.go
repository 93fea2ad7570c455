package event_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// BenchmarkCommitToEffect counts a two-row transaction (business and outbox) of
// 16 writers, its event and the effect of that as one operation. "alone" is the
// transaction without relay and effect: the limit.
func BenchmarkCommitToEffect(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		for _, relayed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/%s", dialect, map[bool]string{false: "alone", true: "relayed"}[relayed]), func(b *testing.B) {
				commitToEffect(b, benchShop(b, dialect), relayed, 16, 0)
			})
		}
	}
}

// BenchmarkLatency measures commit to effect at 300 events a second.
func BenchmarkLatency(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		b.Run(dialect, func(b *testing.B) { commitToEffect(b, benchShop(b, dialect), true, 1, time.Second/300) })
	}
}

func commitToEffect(b *testing.B, s shop, relayed bool, concurrent int, pace time.Duration) {
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(b, err)
	outbox := event.NewOutbox(s.source, clock.System, id.V7)
	consumer := event.NewConsumer(s.target, clock.System)
	var lags []time.Duration
	event.On(consumer, happened, func(ctx context.Context, m event.Meta, data counted) error {
		lags = append(lags, time.Since(m.Time))
		return s.target.Conn(ctx).Exec(`INSERT INTO effects (aggregate, version) VALUES (?, ?)`, m.AggregateID, data.N).Error
	})
	bus.Source(outbox)
	bus.Subscribe(consumer)
	if relayed {
		ctx, cancel := context.WithCancel(b.Context())
		var tasks sync.WaitGroup
		for _, task := range bus.Tasks() {
			tasks.Go(func() { _ = task.Run(ctx) })
		}
		defer tasks.Wait()
		defer cancel()
	}
	b.ResetTimer()
	var next atomic.Int64
	var writers sync.WaitGroup
	for range concurrent {
		writers.Go(func() {
			due := time.Now()
			for next.Add(1) <= int64(b.N) {
				due = due.Add(pace)
				time.Sleep(time.Until(due))
				aggregate := id.V7()
				err := s.source.Atomic(b.Context(), func(ctx context.Context) error {
					if err := s.source.Conn(ctx).Exec(`INSERT INTO business (id) VALUES (?)`, aggregate).Error; err != nil {
						return err
					}
					return outbox.Publish(ctx, happened.New(aggregate, 1, counted{N: 1}))
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if relayed {
		require.NoError(b, bus.Drain(b.Context()))
		var n int64
		require.NoError(b, s.target.Conn(b.Context()).Raw(`SELECT count(*) FROM effects`).Scan(&n).Error)
		require.EqualValues(b, b.N, n)
		slices.Sort(lags)
		b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "ms-p50-lag")
		b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "ms-p99-lag")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchShop(b *testing.B, dialect string) shop {
	b.Helper()
	cfg := database.Config{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	if dialect == "postgres" {
		cfg = database.Config{URL: benchDatabase(b), Logger: cfg.Logger, Pool: 40}
	}
	c, err := database.Open(b.Context(), cfg)
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	var s shop
	s.source, err = c.Module(b.Context(), "source", 10)
	require.NoError(b, err)
	s.target, err = c.Module(b.Context(), "target", 10)
	require.NoError(b, err)
	s.prepare(b)
	require.NoError(b, s.source.Atomic(b.Context(), func(ctx context.Context) error {
		return s.source.Conn(ctx).Exec(`CREATE TABLE business (id text NOT NULL PRIMARY KEY)`).Error
	}))
	return s
}

func benchDatabase(b *testing.B) string {
	b.Helper()
	server := os.Getenv("BANYAN_TEST_POSTGRES_URL")
	if server == "" {
		b.Skip("needs a PostgreSQL server in BANYAN_TEST_POSTGRES_URL")
	}
	admin, err := sql.Open("pgx", server)
	require.NoError(b, err)
	defer admin.Close()
	name := "banyan_bench_" + strings.ReplaceAll(id.V7(), "-", "")
	_, err = admin.ExecContext(b.Context(), "CREATE DATABASE "+name+" TEMPLATE template0")
	require.NoError(b, err)
	b.Cleanup(func() {
		admin, err := sql.Open("pgx", server)
		if err != nil {
			return
		}
		defer admin.Close()
		_, _ = admin.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	u, err := url.Parse(server)
	require.NoError(b, err)
	u.Path = "/" + name
	return u.String()
}
