package database_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

var cards = database.Migrations{Name: "cards", FS: fstest.MapFS{
	"00001_init.sql": {Data: []byte("-- +goose Up\nCREATE TABLE cards (id text PRIMARY KEY);\n")},
}}

// neighbours opens orders, which keep notes, and payments, which keep cards.
func neighbours(t *testing.T, cfg database.Config) (orders, payments *database.DB) {
	t.Helper()
	c := testenv.Open(t, cfg)
	open := func(module string, set database.Migrations) *database.DB {
		db, err := c.Module(t.Context(), module, 9)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), set))
		return db
	}
	return open("orders", notes), open("payments", cards)
}

func observed(t *testing.T, file string) []database.Trespass {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var list []database.Trespass
	for line := range strings.Lines(string(text)) {
		var o database.Trespass
		require.NoError(t, json.Unmarshal([]byte(line), &o))
		list = append(list, o)
	}
	return list
}

// eachGuarded runs fn on both databases; on PostgreSQL with one role for all, so
// that nobody but the guard keeps modules apart.
func eachGuarded(t *testing.T, guard database.Guard, fn func(t *testing.T, cfg database.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, database.Config{Dir: t.TempDir(), Guard: guard, GuardFile: filepath.Join(t.TempDir(), "seen.jsonl")})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, database.Config{URL: testenv.PostgresURL(t), SingleRole: true, Guard: guard, GuardFile: filepath.Join(t.TempDir(), "seen.jsonl")})
	})
}

func TestTrespassIsRefused(t *testing.T) {
	t.Parallel()
	eachGuarded(t, database.GuardRefuse, func(t *testing.T, cfg database.Config) {
		registry := prometheus.NewRegistry()
		cfg.Metrics = registry
		orders, _ := neighbours(t, cfg)
		ctx := t.Context()
		require.NoError(t, orders.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, orders, note{ID: "a"}) }))
		var got []note
		reads := map[string]error{
			"raw":      orders.Conn(ctx).Raw("SELECT id FROM payments.cards").Scan(&got).Error,
			"table":    orders.Conn(ctx).Table("cards AS notes").Find(&got).Error,
			"join":     orders.Conn(ctx).Model(&note{}).Joins("JOIN payments.cards c ON c.id = notes.id").Find(&got).Error,
			"subquery": orders.Conn(ctx).Where("id IN (SELECT id FROM cards)").Find(&got).Error,
			"rows":     func() error { _, err := orders.Conn(ctx).Raw("SELECT 1 FROM cards").Rows(); return err }(),
		}
		for name, err := range reads {
			require.ErrorIs(t, err, database.ErrTrespass, name)
		}
		require.Error(t, orders.Conn(ctx).Raw("SELECT 1 FROM cards").Row().Err())
		for _, statement := range []string{
			"DELETE FROM cards", "INSERT INTO payments.cards (id) SELECT id FROM notes", "UPDATE notes SET text = '' FROM cards",
		} {
			err := orders.Atomic(ctx, func(ctx context.Context) error {
				require.NoError(t, insert(ctx, orders, note{ID: "b"}))
				_ = orders.Conn(ctx).Exec(statement).Error // a caller that does not look
				return nil
			})
			require.ErrorIs(t, err, database.ErrTrespass, statement)
		}
		require.EqualValues(t, 1, count(t, orders), "nothing of those transactions is left")
		require.NoError(t, orders.Conn(ctx).Raw("WITH cards AS (SELECT id FROM notes) SELECT id FROM cards").Scan(&got).Error, "a name of its own is none of theirs")

		seen := observed(t, cfg.GuardFile)
		require.Len(t, seen, len(reads)+1+3)
		for _, o := range seen {
			require.Equal(t, "orders", o.Module)
			require.Equal(t, "payments", o.Other)
			require.Contains(t, o.Table, "cards")
			require.Contains(t, strings.Join(o.Issued, "\n"), "trespass_test.go", "where the statement was issued")
			require.Contains(t, strings.Join(o.Opened, "\n"), "trespass_test.go", "where the handle was opened")
		}
		families, err := registry.Gather()
		require.NoError(t, err)
		require.Len(t, families, 1)
		require.InDelta(t, len(seen), families[0].GetMetric()[0].GetCounter().GetValue(), 0)
	})
}

func TestTrespassIsReportedOnce(t *testing.T) {
	t.Parallel()
	eachGuarded(t, database.GuardReport, func(t *testing.T, cfg database.Config) {
		orders, _ := neighbours(t, cfg)
		require.Empty(t, observed(t, cfg.GuardFile), "the file is there before anything is seen")
		for range 3 {
			var n int64
			err := orders.Conn(t.Context()).Raw("SELECT count(*) FROM payments.cards").Scan(&n).Error
			require.NotErrorIs(t, err, database.ErrTrespass)
			require.Equal(t, cfg.URL == "", err != nil, "one file has no tables of another")
		}
		seen := observed(t, cfg.GuardFile)
		require.Len(t, seen, 1)
		require.Contains(t, strings.Join(seen[0].Issued, "\n"), "TestTrespassIsReportedOnce")
		require.Contains(t, strings.Join(seen[0].Opened, "\n"), "TestTrespassIsReportedOnce", "where the handle was opened")

		for range 2 {
			_ = orders.Atomic(t.Context(), func(ctx context.Context) error {
				return orders.Conn(ctx).Exec("DELETE FROM payments.cards").Error
			})
		}
		seen = observed(t, cfg.GuardFile)
		require.Len(t, seen, 2)
		require.Contains(t, strings.Join(seen[1].Issued, "\n"), "TestTrespassIsReportedOnce")
		require.Contains(t, strings.Join(seen[1].Opened, "\n"), "TestTrespassIsReportedOnce", "where the transaction was opened")
	})
}

// Where no file was asked for, a stack for each read would cost more than it tells: a
// report says where the statement was issued, and for a transaction also where it was
// opened.
func TestReadsNoteNoStackForNobody(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, err := database.Open(t.Context(), database.Config{Dir: t.TempDir(), Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	orders, err := c.Module(t.Context(), "orders", 9)
	require.NoError(t, err)
	payments, err := c.Module(t.Context(), "payments", 9)
	require.NoError(t, err)
	require.NoError(t, orders.Migrate(t.Context(), notes))
	require.NoError(t, payments.Migrate(t.Context(), cards))
	last := func() (told struct{ Msg, Opened, Issued string }) {
		for line := range strings.Lines(log.String()) { // that the table is in another file is said as well
			require.NoError(t, json.Unmarshal([]byte(line), &told))
			if told.Msg == "statement touches another module's table" {
				break
			}
		}
		require.Equal(t, "statement touches another module's table", told.Msg)
		log.Reset()
		return told
	}
	require.Error(t, orders.Conn(t.Context()).Raw("SELECT id FROM cards").Scan(new([]string)).Error)
	told := last()
	require.Contains(t, told.Issued, "TestReadsNoteNoStackForNobody")
	require.Empty(t, told.Opened)
	require.Error(t, orders.Atomic(t.Context(), func(ctx context.Context) error {
		return orders.Conn(ctx).Exec("DELETE FROM cards").Error
	}))
	told = last()
	require.Contains(t, told.Issued, "TestReadsNoteNoStackForNobody")
	require.Contains(t, told.Opened, "TestReadsNoteNoStackForNobody")
}

// Two modules in one transaction are refused whatever the guard, and written down.
func TestCrossingIsWrittenDown(t *testing.T) {
	t.Parallel()
	eachGuarded(t, database.GuardOff, func(t *testing.T, cfg database.Config) {
		orders, payments := neighbours(t, cfg)
		require.Error(t, orders.Atomic(t.Context(), func(ctx context.Context) error {
			return payments.Atomic(ctx, func(context.Context) error { return nil })
		}))
		seen := observed(t, cfg.GuardFile)
		require.Len(t, seen, 1)
		require.Equal(t, "orders", seen[0].Module)
		require.Equal(t, "payments", seen[0].Other)
		require.Contains(t, strings.Join(seen[0].Opened, "\n"), "TestCrossingIsWrittenDown")
		require.Contains(t, strings.Join(seen[0].Issued, "\n"), "TestCrossingIsWrittenDown")
		require.NoError(t, orders.Conn(t.Context()).Find(&[]note{}).Error)
	})
}

func TestGuardIsKnown(t *testing.T) {
	t.Parallel()
	_, err := database.Open(t.Context(), database.Config{Dir: t.TempDir(), Guard: "maybe"})
	require.ErrorContains(t, err, "refuse, report or off")
	_, err = database.Open(t.Context(), database.Config{Dir: t.TempDir(), GuardFile: filepath.Join(t.TempDir(), "no-such-folder", "seen.jsonl")})
	require.ErrorIs(t, err, os.ErrNotExist, "nobody would learn what was seen")
}

// BenchmarkGuard tells what the guard adds to a read.
func BenchmarkGuard(b *testing.B) {
	for name, cfg := range map[string]database.Config{
		"off": {Guard: database.GuardOff}, "report": {Guard: database.GuardReport}, "refuse": {Guard: database.GuardRefuse},
		"report into a file": {Guard: database.GuardReport, GuardFile: filepath.Join(b.TempDir(), "seen.jsonl")},
	} {
		b.Run(name, func(b *testing.B) {
			cfg.Dir = b.TempDir()
			c, err := database.Open(b.Context(), cfg)
			require.NoError(b, err)
			defer func() { _ = c.Close() }()
			db, err := c.Module(b.Context(), "orders", 9)
			require.NoError(b, err)
			require.NoError(b, db.Migrate(b.Context(), notes))
			for b.Loop() {
				var n int64
				if err := db.Conn(b.Context()).Raw("SELECT 1 FROM notes WHERE id = ?", "x").Scan(&n).Error; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
