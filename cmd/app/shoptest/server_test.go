package shoptest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// What the guard of the databases says in either form of the log is what each shop's
// log is searched for, however much is said afterwards.
func TestTrespassesAreSeen(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(l *Log) slog.Handler{
		"text": func(l *Log) slog.Handler { return slog.NewTextHandler(l, nil) },
		"json": func(l *Log) slog.Handler { return slog.NewJSONHandler(l, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &Log{}
			cluster := testenv.Open(t, database.Config{Dir: t.TempDir(), Guard: database.GuardReport, Logger: slog.New(handler(l))})
			open := func(module, table string) *database.DB {
				db, err := cluster.Module(t.Context(), module, 1)
				require.NoError(t, err)
				require.NoError(t, db.Migrate(t.Context(), database.Migrations{Name: module, FS: fstest.MapFS{
					"00001_init.sql": {Data: []byte("-- +goose Up\nCREATE TABLE " + table + " (id text PRIMARY KEY);\n")},
				}}))
				return db
			}
			orders, payments := open("orders", "notes"), open("payments", "cards")
			for _, said := range trespasses {
				require.Zero(t, l.Seen(said))
			}
			require.Error(t, orders.Conn(t.Context()).Raw("SELECT id FROM cards").Scan(new([]string)).Error, "it is in another file")
			require.Error(t, orders.Atomic(t.Context(), func(ctx context.Context) error {
				return payments.Atomic(ctx, func(context.Context) error { return nil })
			}))
			for range 3 {
				_, _ = l.Write([]byte(strings.Repeat("x", logLimit) + "\n")) // it cannot fail
			}
			for _, said := range trespasses {
				require.NotContains(t, l.String(), said)
				require.Equal(t, 1, l.Seen(said), said)
			}
		})
	}
}
