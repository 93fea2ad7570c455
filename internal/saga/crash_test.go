package saga

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// A crash at any point, forward or back, is resumed by another process, and in
// the end the effects are those of one saga.
func TestCrashAtEveryPoint(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		forward := []string{"do a", "did a", "do b", "did b", "do c", "did c", "finish"}
		back := append(forward[:6:6], "undo c", "undid c", "undo b", "undid b", "undo a", "undid a", "fail")
		for _, refuse := range []bool{false, true} {
			points := forward
			if refuse {
				points = back
			}
			for _, point := range points {
				t.Run(fmt.Sprintf("%s refuse=%v", point, refuse), func(t *testing.T) {
					w := &world{t: t, db: w.db, held: map[string]bool{}, broken: map[string]func() error{}}
					if refuse {
						w.on("did c", func() error { return declined.Errorf("no") })
					}
					dying, kill := context.WithCancel(t.Context())
					defer kill()
					var crashed atomic.Bool
					then := w.broken[point]
					w.on(point, func() error {
						if crashed.CompareAndSwap(false, true) {
							crash(kill)
						}
						if then != nil {
							return then()
						}
						return nil
					})
					first := w.engine(Lease(50 * time.Millisecond))
					s := Register(first, w.definition())
					gone := make(chan struct{})
					go func() { defer close(gone); _ = first.Task().Run(dying) }()
					require.Eventually(t, first.hasRoom, patience, time.Millisecond)
					id := fmt.Sprintf("%s %v", point, refuse)
					start(t, w, s, id)
					<-gone
					require.True(t, crashed.Load())
					require.NotEmpty(t, show(t, first, id).ClaimedBy, "nobody let go of the claim")

					second := w.engine()
					Register(second, w.definition())
					serve(t, second)
					if refuse {
						require.Equal(t, Compensated, hurry(t, second, id))
						require.Empty(t, w.held)
						require.Equal(t, end{id, "failed", "payment.declined"}, w.ended(id))
					} else {
						require.Equal(t, Completed, hurry(t, second, id))
						require.Len(t, w.held, 3)
						require.Equal(t, end{id, "finished", ""}, w.ended(id))
					}
					require.EqualValues(t, 2, show(t, second, id).Epoch)
				})
			}
		}
	})
}

// After a crash nobody knows how far the saga came, so a refusal at the first
// step undoes the later ones too.
func TestCrashThenRefusalUndoesWhatMayHaveHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	dying, kill := context.WithCancel(t.Context())
	defer kill()
	w.on("did c", func() error { crash(kill); return nil })
	first := w.engine(Lease(50 * time.Millisecond))
	s := Register(first, w.definition())
	gone := make(chan struct{})
	go func() { defer close(gone); _ = first.Task().Run(dying) }()
	require.Eventually(t, first.hasRoom, patience, time.Millisecond)
	start(t, w, s, "1")
	<-gone
	require.Len(t, w.held, 3)

	w.on("do a", func() error { return declined.Errorf("no longer") })
	second := w.engine()
	Register(second, w.definition())
	serve(t, second)
	require.Equal(t, Compensated, hurry(t, second, "1"))
	require.Empty(t, w.held)
}

// A shutdown lets go at once: the next process need not wait for the lease.
func TestShutdownLetsGo(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		reached := make(chan struct{}, 1)
		first := w.engine(Lease(time.Hour))
		d := w.definition()
		d.Steps[1].Do = func(ctx context.Context, _ string, _ *trip) error {
			reached <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		s := Register(first, d)
		stop := serve(t, first)
		start(t, w, s, "1")
		<-reached
		stop()
		info := show(t, first, "1")
		require.Empty(t, info.ClaimedBy)
		require.Equal(t, "b", info.Step)
		require.Zero(t, info.Attempts, "an attempt that we stopped does not count")

		second := w.engine()
		Register(second, w.definition())
		serve(t, second)
		require.Equal(t, Completed, hurry(t, second, "1"))
		require.Equal(t, 1, w.count("do a"), "exact progress was written")
	})
}

// An instance that slept through its lease changes nothing when it wakes.
func TestZombieChangesNothing(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		for _, point := range []string{"did c", "finish"} {
			t.Run(point, func(t *testing.T) {
				w := newWorld(t, db)
				asleep, awake := make(chan struct{}), make(chan struct{})
				var once sync.Once
				first := w.engine(Lease(time.Hour)) // its heart does not beat: it is paused
				d := w.definition()
				nap := func() { once.Do(func() { close(asleep); <-awake }) }
				if point == "did c" {
					d.Steps[2].Do = func(context.Context, string, *trip) error { nap(); return nil }
				} else {
					d.Steps = append(d.Steps, Step[trip]{Name: "nap", Do: func(context.Context, string, *trip) error { nap(); return nil }})
				}
				s := Register(first, d)
				paused, end := context.WithCancel(t.Context())
				defer end()
				first.mu.Lock()
				first.ctx = paused // its workers work, but it is paused: it does not poll
				first.mu.Unlock()
				start(t, w, s, point)
				<-asleep
				// It is taken for dead, and another process takes over and turns back.
				second := w.engine()
				require.NoError(t, second.Inherit(t.Context()))
				d2 := w.definition()
				d2.Steps[0].Do = func(context.Context, string, *trip) error { return declined.Errorf("no") }
				if point == "finish" {
					d2.Steps = append(d2.Steps, Step[trip]{Name: "nap", Do: func(context.Context, string, *trip) error { return nil }})
				}
				Register(second, d2)
				other := make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { defer close(other); _ = second.Task().Run(ctx) }()
				require.Equal(t, Compensated, hurry(t, second, point))
				before := show(t, second, point)

				close(awake)
				require.Eventually(t, func() bool { return first.atWork() == 0 }, patience, time.Millisecond)
				require.Equal(t, before, show(t, second, point))
				require.Equal(t, "failed", w.ended(point).How, "the end that the zombie wrote was rolled back")
				cancel()
				<-other
			})
		}
	})
}

// Quick crashes of another cause park nobody: whoever was there at several of
// them is left until its claim lapses.
func TestHeirLeavesTheSuspicious(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		e := w.engine(Lease(time.Hour))
		start(t, w, Register(e, w.definition()), "1")
		crashes := func() (n int) {
			require.NoError(t, db.Conn(t.Context()).Raw("SELECT crashes FROM sagas WHERE id = '1'").Scan(&n).Error)
			return n
		}
		for range crashLimit + 5 { // each life dies as soon as it has claimed what is due
			require.NoError(t, e.Inherit(t.Context()))
			_, err := e.claim(t.Context(), 10)
			require.NoError(t, err)
		}
		require.Equal(t, suspicious, crashes())
	})
}

// Several processes share the sagas: each is run to its end, by one at a time.
func TestEnginesShare(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		const sagas = 60
		w := newWorld(t, db)
		first := w.engine(Workers(4))
		s := Register(first, w.definition())
		// None runs yet, so all are left for whoever polls.
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for i := range sagas {
				if err := s.Start(ctx, fmt.Sprintf("%03d", i), trip{}); err != nil {
					return err
				}
			}
			return nil
		}))
		second := w.engine(Workers(4))
		Register(second, w.definition())
		serve(t, first)
		serve(t, second)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, first.Drain(ctx))
		done, err := first.List(t.Context(), Filter{Statuses: []Status{Completed}, Limit: 500})
		require.NoError(t, err)
		require.Len(t, done, sagas)
		require.Equal(t, sagas, w.count("finish"))
		require.Equal(t, sagas, w.count("do a"))
	})
}

// A long step outlives the lease because the claim is extended.
func TestLongStepKeepsItsClaim(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		const lease = 600 * time.Millisecond
		// The clock by which claims lapse waits for them to be extended, however busy the machine is.
		now := clock.NewFake(time.Now())
		engine := func() *Engine { return NewEngine(db, now.Now, slog.New(slog.DiscardHandler), Lease(lease)) }
		reached, open := make(chan struct{}), make(chan struct{})
		d := w.definition()
		d.Steps[1].Deadline = 10 * patience
		d.Steps[1].Do = func(ctx context.Context, _ string, _ *trip) error {
			close(reached)
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		first, second := engine(), engine()
		s := Register(first, d)
		Register(second, d)
		serve(t, first)
		start(t, w, s, "1")
		<-reached
		for range 4 { // well past the claim's first end
			now.Advance(lease * 2 / 3)
			end := now.Now().Add(lease)
			require.Eventually(t, func() bool { return show(t, first, "1").NextAt.Equal(end) }, patience, time.Millisecond)
			rows, err := second.claim(t.Context(), 10)
			require.NoError(t, err)
			require.Empty(t, rows)
		}
		close(open)
		require.Equal(t, Completed, wait(t, first, "1"))
		require.EqualValues(t, 1, show(t, first, "1").Epoch)
		require.Equal(t, 1, w.count("do a"))
	})
}

// Sagas that wait for a worker longer than the lease are this process's all the same:
// nothing happened to them, and they go on in their order.
func TestQueueKeepsItsClaims(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		const lease = 300 * time.Millisecond
		open := make(chan struct{})
		var mu sync.Mutex
		var order []string
		d := w.definition()
		d.Steps[0].Do = func(ctx context.Context, id string, _ *trip) error {
			mu.Lock()
			order = append(order, id)
			mu.Unlock()
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		e := w.engine(Workers(1), Lease(lease))
		s := Register(e, d)
		serve(t, e)
		ids := []string{"1", "2", "3", "4", "5"}
		for _, id := range ids {
			start(t, w, s, id)
		}
		for _, id := range ids {
			require.Eventually(t, func() bool {
				info := show(t, e, id)
				return info.NextAt.Sub(info.StartedAt) > 5*lease
			}, patience, 5*time.Millisecond, "the claim was not extended")
		}
		close(open)
		for _, id := range ids {
			require.Equal(t, Completed, wait(t, e, id))
			var r row
			require.NoError(t, db.Conn(t.Context()).Where("id = ?", id).Take(&r).Error)
			require.Zero(t, r.Crashes)
			require.EqualValues(t, 1, r.Epoch)
			require.Less(t, r.Reached, everywhere)
			for _, line := range show(t, e, id).History {
				require.NotEqual(t, "resume", line.Action)
			}
		}
		require.Equal(t, ids, order)
	})
}

// A claim of ours that lapsed while the whole process was paused is no reason to run a
// saga twice: whoever has it in hand goes on.
func TestPausedQueueIsNotClaimedAgain(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		open := make(chan struct{})
		release := sync.OnceFunc(func() { close(open) })
		w.on("do a", func() error { <-open; return nil })
		e := w.engine(Workers(1), Lease(time.Hour))
		s := Register(e, w.definition())
		serve(t, e)
		t.Cleanup(release) // before the engine stops
		start(t, w, s, "at work")
		start(t, w, s, "in the queue")
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("UPDATE sagas SET next_at = ?", database.At(time.Now().Add(-time.Minute))).Error
		}))
		rows, err := e.claim(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, rows)
		release()
		for _, id := range []string{"at work", "in the queue"} {
			require.Equal(t, Completed, wait(t, e, id))
			require.EqualValues(t, 1, show(t, e, id).Epoch)
		}
		require.Equal(t, 2, w.count("do a"))
	})
}

// A crash is told once; the pauses after it are none.
func TestCrashIsToldOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		dying, kill := context.WithCancel(t.Context())
		defer kill()
		w.on("do b", func() error { crash(kill); return nil })
		first := w.engine(Lease(50 * time.Millisecond))
		s := Register(first, w.definition())
		gone := make(chan struct{})
		go func() { defer close(gone); _ = first.Task().Run(dying) }()
		require.Eventually(t, first.hasRoom, patience, time.Millisecond)
		start(t, w, s, "1")
		<-gone
		w.on("do b", times(3, errPlain))
		second := w.engine()
		Register(second, w.definition())
		serve(t, second)
		require.Equal(t, Completed, hurry(t, second, "1"))
		resumed := 0
		for _, line := range show(t, second, "1").History {
			if line.Action == "resume" {
				resumed++
			}
		}
		require.Equal(t, 1, resumed)
	})
}

// What cannot be read, or ends its process again and again, waits for a person.
func TestPoisonIsParked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	s := Register(e, w.definition())
	start(t, w, s, "unreadable")
	start(t, w, s, "deadly")
	require.NoError(t, w.db.Atomic(t.Context(), func(ctx context.Context) error {
		if err := w.db.Conn(ctx).Exec("UPDATE sagas SET state = '[' WHERE id = 'unreadable'").Error; err != nil {
			return err
		}
		return w.db.Conn(ctx).Exec("UPDATE sagas SET crashes = ?, claimed_by = 'gone' WHERE id = 'deadly'", crashLimit).Error
	}))
	require.NoError(t, e.Drain(t.Context()))
	require.Equal(t, Parked, show(t, e, "unreadable").Status)
	require.Equal(t, Parked, show(t, e, "deadly").Status)
	require.Empty(t, w.journal())

	require.NoError(t, e.Retry(t.Context(), "deadly"))
	require.NoError(t, e.Drain(t.Context()))
	require.Equal(t, Completed, show(t, e, "deadly").Status)
}

// Once a saga has turned back, a crash does not lead it forward again.
func TestCrashWhileCompensatingGoesOnBack(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		dying, kill := context.WithCancel(t.Context())
		defer kill()
		w.on("did c", times(1, declined.Errorf("no, this once")))
		w.on("undo b", func() error { w.on("undo b", nil); crash(kill); return nil })
		first := w.engine(Lease(50 * time.Millisecond))
		s := Register(first, w.definition())
		gone := make(chan struct{})
		go func() { defer close(gone); _ = first.Task().Run(dying) }()
		require.Eventually(t, first.hasRoom, patience, time.Millisecond)
		start(t, w, s, "1")
		<-gone
		second := w.engine()
		Register(second, w.definition())
		serve(t, second)
		require.Equal(t, Compensated, hurry(t, second, "1"))
		require.Empty(t, w.held)
		require.Equal(t, 1, w.count("do a"))
		require.Equal(t, "payment.declined", w.ended("1").Cause)
	})
}
