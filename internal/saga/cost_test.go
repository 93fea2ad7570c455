package saga

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// A saga that meets no trouble costs one insert and one update.
func TestHappyPathCostsTwoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	var writes []string
	note := func(g *gorm.DB) {
		if sql := g.Statement.SQL.String(); strings.Contains(sql, "sagas") {
			writes = append(writes, sql[:6])
		}
	}
	callbacks := w.db.Conn(t.Context()).Callback() // shared by all handles of this module
	require.NoError(t, callbacks.Create().After("*").Register("test:note", note))
	require.NoError(t, callbacks.Update().After("*").Register("test:note", note))
	require.NoError(t, callbacks.Raw().After("*").Register("test:note", note))
	e := w.engine()
	s := Register(e, w.definition())
	stop := serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Completed, wait(t, e, "1"))
	stop()
	require.Equal(t, []string{"INSERT", "UPDATE"}, writes)
}

func TestCheckpointWritesProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	d := w.definition()
	d.Steps[0].Checkpoint = true
	var seen row
	do := d.Steps[1].Do
	d.Steps[1].Do = func(ctx context.Context, id string, s *trip) error {
		require.NoError(t, w.db.Conn(ctx).Where("id = ?", id).Take(&seen).Error)
		return do(ctx, id, s)
	}
	s := Register(e, d)
	serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Completed, wait(t, e, "1"))
	require.Equal(t, 1, seen.Step)
	require.Equal(t, e.me, seen.ClaimedBy)
	require.JSONEq(t, `{"Steps":["a"]}`, seen.State)
}

func TestDrainReturnsWhenTheClockStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	w.on("do a", times(1, errAway))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := NewEngine(w.db, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	s := Register(e, w.definition())
	start(t, w, s, "1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, e.Drain(ctx))
	info := show(t, e, "1")
	require.Equal(t, Running, info.Status)
	require.Equal(t, 1, info.Attempts)
	require.Equal(t, "unavailable", info.Cause.Code)
	now = now.Add(time.Minute)
	require.NoError(t, e.Drain(ctx))
	require.Equal(t, Completed, show(t, e, "1").Status)
}

func TestOverdueIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	s := Register(e, w.definition())
	start(t, w, s, "1")
	overdue := e.Checks()[1]
	found := 0
	n, err := overdue.Run(t.Context(), func(string, string) { found++ })
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Zero(t, found, "merely under way")
	require.NoError(t, w.db.Atomic(t.Context(), func(ctx context.Context) error {
		return w.db.Conn(ctx).Exec("UPDATE sagas SET next_at = ?", database.At(time.Now().Add(-time.Hour))).Error
	}))
	_, err = overdue.Run(t.Context(), func(string, string) { found++ })
	require.NoError(t, err)
	require.Equal(t, 1, found)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n := 1; n < 100; n++ {
		for range 50 {
			pause := backoff(n)
			require.GreaterOrEqual(t, pause, time.Duration(0))
			require.Less(t, pause, longestPause)
			if n == 1 {
				require.Less(t, pause, firstPause)
			}
		}
	}
}

func TestMoreSagasThanWorkersAndQueue(t *testing.T) {
	t.Parallel()
	const sagas = queueSoft + 3 // two at work, the rest waits
	require.Less(t, queueFull+64, queueSoft, "who asked whether it is full just before finds room")
	w := newWorld(t, testenv.SQLite(t, "test"))
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	w.on("do a", func() error { <-open; return nil })
	e := w.engine(Workers(2))
	s := Register(e, w.definition())
	serve(t, e)
	t.Cleanup(release) // before the engine stops
	require.NoError(t, w.db.Atomic(t.Context(), func(ctx context.Context) error {
		for i := range sagas {
			if err := s.Start(ctx, time.Unix(int64(i), 0).UTC().Format(time.RFC3339), trip{}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Eventually(t, func() bool { return e.atWork() == sagas }, patience, time.Millisecond)
	require.False(t, e.hasRoom())
	require.True(t, e.Pressed())
	start(t, w, s, "late")
	late := show(t, e, "late")
	require.False(t, late.ClaimedBy != "" && late.Epoch == 1, "it is left for whoever polls, who may have come already")
	release()
	require.Equal(t, Completed, wait(t, e, "late"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, e.Drain(ctx))
	require.Equal(t, sagas+1, w.count("finish"))
}

// One that waits for a worker costs no write more for it while its claim stands. Once that
// is nearly over it is looked at, and where somebody else has it by then nothing is done.
func TestToWaitForAWorkerCostsNoWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits time.Duration
		taken bool // by another instance
		looks int64
	}{
		"a while":            {defaultLease/2 - time.Second, false, 0},
		"for long":           {defaultLease/2 + time.Second, false, 1},
		"and was taken over": {defaultLease + time.Second, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, now := newWorld(t, testenv.SQLite(t, "test")), clock.NewFake(time.Now())
			var looks atomic.Int64
			require.NoError(t, w.db.Conn(t.Context()).Callback().Raw().After("*").Register("test:looks", func(g *gorm.DB) {
				if sql := g.Statement.SQL.String(); strings.HasPrefix(sql, "UPDATE sagas SET next_at = ? WHERE id = ? AND") && g.Statement.Vars[1] == "waits" {
					looks.Add(1)
				}
			}))
			open := make(chan struct{})
			var done atomic.Bool
			d := w.definition()
			d.Steps[0].Do = func(_ context.Context, id string, _ *trip) error {
				<-open
				if id == "waits" {
					done.Store(true)
				}
				return nil
			}
			e, release := oneWorker(t, w, d, now, open)
			now.Advance(c.waits)
			if c.taken {
				other := NewEngine(w.db, now.Now, slog.New(slog.DiscardHandler))
				Register(other, w.definition())
				rows, err := other.claim(t.Context(), 10)
				require.NoError(t, err)
				require.NotEmpty(t, rows)
			}
			release()
			require.Eventually(t, func() bool { return e.atWork() == 0 }, patience, time.Millisecond)
			require.Equal(t, c.looks, looks.Load())
			require.Equal(t, c.taken, !done.Load())
		})
	}
}

// While new sagas come faster than they can be done, one that waits in the table for
// its next attempt has its turn all the same: it was there before.
func TestTableIsNotStarved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	const crowd = 20
	e := w.engine(Workers(1))
	rushing, over := context.WithCancel(t.Context())
	defer over()
	var tries atomic.Int64
	var on atomic.Bool
	d := w.definition()
	do := d.Steps[0].Do
	d.Steps[0].Do = func(ctx context.Context, id string, s *trip) error {
		if id == "first" {
			if tries.Add(1); !on.Load() {
				return fault.Unavailable.Errorf("not now")
			}
			return do(ctx, id, s)
		}
		for e.atWork() < crowd && rushing.Err() == nil && ctx.Err() == nil { // no faster than they come
			<-time.After(time.Millisecond)
		}
		return do(ctx, id, s)
	}
	s := Register(e, d)
	serve(t, e)
	t.Cleanup(over)         // before the engine stops
	start(t, w, s, "first") // fails, and waits in the table
	require.Eventually(t, func() bool { return tries.Load() > 0 }, patience, time.Millisecond)
	var rush errgroup.Group
	rush.Go(func() error {
		for n := 0; rushing.Err() == nil; n++ {
			if e.atWork() >= crowd {
				<-time.After(time.Millisecond)
				continue
			}
			if err := w.db.Atomic(t.Context(), func(ctx context.Context) error { return s.Start(ctx, fmt.Sprint("new ", n), trip{}) }); err != nil {
				return err
			}
		}
		return nil
	})
	defer func() { over(); require.NoError(t, rush.Wait()) }()
	require.Eventually(t, func() bool { // it is not among those in hand, and may go on from now on
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.active["first"] == nil && len(e.active) >= crowd {
			on.Store(true)
		}
		return on.Load()
	}, patience, time.Millisecond)
	require.Equal(t, Completed, wait(t, e, "first"))
	require.Eventually(t, func() bool { return e.atWork() > 0 }, patience, time.Millisecond, "the rush goes on")
}
