package saga

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

const patience = 2 * time.Minute

var (
	declined = fault.Define("payment.declined", fault.KindConflict)
	errAway  = fault.Unavailable.Errorf("nobody is there")
	errSick  = fault.Define("payment.unavailable", fault.KindUnavailable).Errorf("the provider is sick")
)

// ends is where Finish and Fail leave their mark: once per saga, or the insert fails.
var ends = database.Migrations{Name: "ends", FS: fstest.MapFS{"00001_ends.sql": {Data: []byte(
	"-- +goose Up\nCREATE TABLE ends (id text PRIMARY KEY, how text NOT NULL, cause text NOT NULL);\n-- +goose Down\nDROP TABLE ends;\n")}}}

type end struct{ ID, How, Cause string }

// trip is the state of the sagas under test.
type trip struct {
	Steps []string
}

// world is what the steps act on: outside of any transaction, as other modules are.
type world struct {
	t  *testing.T
	db *database.DB

	mu     sync.Mutex
	held   map[string]bool // "<id>/<step>" → effect is there
	calls  []string        // every call, in order
	broken map[string]func() error
}

func newWorld(t *testing.T, db *database.DB) *world {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), Migrations(), ends))
	return &world{t: t, db: db, held: map[string]bool{}, broken: map[string]func() error{}}
}

// on makes a point fail: "do b", "did b" (after the effect), "undo b", "undid b", "finish", "fail".
func (w *world) on(point string, fn func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[point] = fn
}

func (w *world) at(point string) error {
	w.mu.Lock()
	fn := w.broken[point]
	w.calls = append(w.calls, point)
	w.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn()
}

func (w *world) set(key string, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[key] = held
	if !held {
		delete(w.held, key)
	}
}

func (w *world) count(point string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c == point {
			n++
		}
	}
	return n
}

func (w *world) journal() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.calls...)
}

func (w *world) step(name string) Step[trip] {
	return Step[trip]{
		Name: name,
		Do: func(_ context.Context, id string, s *trip) error {
			if err := w.at("do " + name); err != nil {
				return err
			}
			w.set(id+"/"+name, true)
			s.Steps = append(s.Steps, name)
			return w.at("did " + name)
		},
		Undo: func(_ context.Context, id string, _ *trip) error {
			if err := w.at("undo " + name); err != nil {
				return err
			}
			w.set(id+"/"+name, false)
			return w.at("undid " + name)
		},
	}
}

func (w *world) definition() Definition[trip] {
	mark := func(ctx context.Context, e end) error { return w.db.Conn(ctx).Create(&e).Error }
	return Definition[trip]{
		Name:  "trip",
		Steps: []Step[trip]{w.step("a"), w.step("b"), w.step("c")},
		Finish: func(ctx context.Context, id string, _ *trip) error {
			if err := mark(ctx, end{ID: id, How: "finished"}); err != nil {
				return err
			}
			return w.at("finish")
		},
		Fail: func(ctx context.Context, id string, _ *trip, cause *fault.Error) error {
			if err := mark(ctx, end{ID: id, How: "failed", Cause: cause.Code.Name()}); err != nil {
				return err
			}
			return w.at("fail")
		},
	}
}

func (w *world) engine(options ...Option) *Engine {
	return NewEngine(w.db, clock.System, slog.New(slog.DiscardHandler), options...)
}

// serve runs the engine's task; stop ends it as a shutdown does and waits.
func serve(t *testing.T, e *Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Task().Run(ctx) }()
	require.Eventually(t, e.hasRoom, patience, time.Millisecond)
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func start(t *testing.T, w *world, s *Saga[trip], id string) {
	t.Helper()
	require.NoError(t, w.db.Atomic(t.Context(), func(ctx context.Context) error { return s.Start(ctx, id, trip{}) }))
}

func wait(t *testing.T, e *Engine, id string) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := e.Wait(ctx, id)
	require.NoError(t, err)
	return status
}

// hurry is wait, for a saga whose lease is about to run out: it polls at once.
func hurry(t *testing.T, e *Engine, id string) Status {
	t.Helper()
	var status Status
	require.Eventually(t, func() bool {
		e.poke()
		var err error
		status, err = e.status(t.Context(), id)
		return err == nil && status.Over()
	}, patience, 10*time.Millisecond)
	return status
}

func show(t *testing.T, e *Engine, id string) Info {
	t.Helper()
	info, err := e.Show(t.Context(), id)
	require.NoError(t, err)
	return info
}

// ended gives what Finish or Fail left.
func (w *world) ended(id string) end {
	var e end
	require.NoError(w.t, w.db.Conn(w.t.Context()).Where("id = ?", id).Limit(1).Find(&e).Error)
	return e
}

// crash ends the goroutine of the step without a word to the engine, whose
// process is gone as well: nothing of it is written any more.
func crash(kill context.CancelFunc) {
	kill()
	runtime.Goexit()
}

// times gives err for the first n calls.
func times(n int, err error) func() error {
	var mu sync.Mutex
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

var errPlain = errors.New("plain")

// oneWorker starts two sagas where one worker is: "works" is at the first step of d, which
// goes on when open is closed, as release does, and "waits" waits in the line.
func oneWorker(t *testing.T, w *world, d Definition[trip], now *clock.Fake, open chan struct{}, options ...Option) (e *Engine, release func()) {
	t.Helper()
	e = NewEngine(w.db, now.Now, slog.New(slog.DiscardHandler), append(options, Workers(1))...)
	s := Register(e, d)
	serve(t, e)
	release = sync.OnceFunc(func() { close(open) })
	t.Cleanup(release) // before the engine stops
	start(t, w, s, "works")
	start(t, w, s, "waits")
	require.Equal(t, 2, e.atWork())
	return e, release
}
